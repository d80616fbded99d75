//! Every interleaving of the lock-free structures, by loom's model checker. Empty in an ordinary build; run by
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p millrace-sync --release --test loom`.
#![cfg(loom)]

use loom::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};
use sync::{Sequence, mailbox, ring};

/// Pushes `0..items`, spinning politely while the ring is full.
fn push_all(tx: &mut sync::Producer<Box<u32>>, items: u32) {
    for n in 0..items {
        let mut item = Box::new(n);
        while let Err(back) = tx.push(item) {
            item = back;
            thread::yield_now();
        }
    }
}

fn pop_all(rx: &mut sync::Consumer<Box<u32>>, items: u32) {
    for n in 0..items {
        let item = loop {
            match rx.pop() {
                Some(item) => break item,
                None => thread::yield_now(),
            }
        };
        assert_eq!(*item, n);
    }
}

/// Boxes, so that a slot read twice or never is a double free or a leak, which loom reports.
fn hands_over(capacity: usize, items: u32) {
    loom::model(move || {
        let (mut tx, mut rx) = ring(capacity);
        let writer = thread::spawn(move || push_all(&mut tx, items));
        pop_all(&mut rx, items);
        writer.join().unwrap();
        assert!(rx.is_empty() && rx.pop().is_none());
    });
}

#[test]
fn a_ring_hands_over_every_item_once_and_in_order() {
    hands_over(4, 3);
}

#[test]
fn a_ring_that_wraps_and_fills_loses_nothing() {
    hands_over(1, 3);
    hands_over(2, 3);
}

#[test]
fn a_full_ring_refuses_and_never_overwrites() {
    loom::model(|| {
        let (mut tx, mut rx) = ring(1);
        let writer = thread::spawn(move || (0..3u32).filter(|n| tx.push(*n).is_ok()).collect::<Vec<_>>());
        let mut got = Vec::new();
        for _ in 0..2 {
            got.extend(rx.pop());
        }
        let sent = writer.join().unwrap();
        while let Some(n) = rx.pop() {
            got.push(n);
        }
        assert_eq!(got, sent);
    });
}

#[test]
fn items_are_dropped_once_whoever_goes_last() {
    loom::model(|| {
        let item = Arc::new(());
        let (mut tx, mut rx) = ring(2);
        let copies = [Arc::clone(&item), Arc::clone(&item)];
        let writer = thread::spawn(move || copies.into_iter().for_each(|copy| assert!(tx.push(copy).is_ok())));
        drop(rx.pop());
        drop(rx);
        writer.join().unwrap();
        assert_eq!(Arc::strong_count(&item), 1);
    });
}

#[test]
fn the_length_a_side_sees_never_exceeds_the_capacity() {
    loom::model(|| {
        let (mut tx, mut rx) = ring(1);
        let writer = thread::spawn(move || {
            let _ = tx.push(1);
            let _ = tx.push(2);
            assert!(tx.len() <= 1);
        });
        assert!(rx.len() <= 1);
        rx.pop();
        assert!(rx.len() <= 1);
        writer.join().unwrap();
    });
}

#[test]
fn an_order_is_answered_by_its_report() {
    loom::model(|| {
        let (mut control, mut worker) = mailbox::<u32, u32>(1);
        let thread = thread::spawn(move || {
            while !worker.has_mail() {
                thread::yield_now();
            }
            let order = worker.recv().expect("has_mail said so");
            assert!(worker.send(order + 1).is_ok());
        });
        assert!(control.send(7).is_ok());
        let report = loop {
            match control.recv() {
                Some(report) => break report,
                None => thread::yield_now(),
            }
        };
        assert_eq!(report, 8);
        thread.join().unwrap();
    });
}

#[test]
fn a_sequence_reader_never_sees_half_a_write() {
    loom::model(|| {
        let guarded = Arc::new((Sequence::new(), AtomicU64::new(0), AtomicU64::new(0)));
        let theirs = Arc::clone(&guarded);
        let writer = thread::spawn(move || {
            let (sequence, a, b) = &*theirs;
            for n in 1..3 {
                sequence.begin_write();
                a.store(n, Relaxed);
                b.store(n, Relaxed);
                sequence.end_write();
            }
        });
        let (sequence, a, b) = &*guarded;
        for _ in 0..2 {
            if let Some((a, b)) = sequence.read(|| (a.load(Relaxed), b.load(Relaxed))) {
                assert_eq!(a, b);
            }
        }
        writer.join().unwrap();
        assert_eq!(sequence.read(|| (a.load(Relaxed), b.load(Relaxed))), Some((2, 2)));
    });
}
