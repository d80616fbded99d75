//! What happens to a packet: snapshot, stages, pipeline, worker.
