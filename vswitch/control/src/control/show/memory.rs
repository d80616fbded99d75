//! `show_memory`: measured from the regions themselves and told by whoever made the buffers, not reckoned from the
//! configuration.

use api::{Memory, MemoryRow};
use datapath::WorkerView;
use sync::Region;

use super::{Control, PortFactory};

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_memory(&self) -> Memory {
        let mut items = self.factory.memory();
        let views = || self.desks.iter().map(|desk| &desk.link.view);
        items.extend(views().map(flow_table));
        items.extend(views().map(fdb));
        items.push(in_region("books", None, self.books.region()));
        let octets = datapath::rings_bytes(self.desks.len()) as u64;
        items.push(MemoryRow { what: "rings".to_owned(), octets, ..MemoryRow::default() });
        Memory::new(items)
    }
}

fn flow_table(view: &WorkerView) -> MemoryRow {
    let row = in_region("flow tables", Some(view), view.flows_region());
    row.with_places(view.flows_held() as u64, view.flows_capacity() as u64)
}

fn fdb(view: &WorkerView) -> MemoryRow {
    in_region("FDBs", Some(view), view.macs_region()).with_places(view.macs_held() as u64, view.macs_capacity() as u64)
}

fn in_region(what: &str, owner: Option<&WorkerView>, region: &Region) -> MemoryRow {
    let hugepages = region.is_huge();
    let octets = Region::mapped_bytes(region.len(), hugepages) as u64;
    let worker = owner.map(|view| view.worker().0);
    MemoryRow { what: what.to_owned(), worker, octets, hugepages, ..MemoryRow::default() }
}
