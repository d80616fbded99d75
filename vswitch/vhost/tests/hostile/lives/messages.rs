//! A session by itself: octets and descriptors in, actions and answers out.

use std::collections::BTreeSet;

use vhost::{Action, Backend, DeviceConfig, Done, Fault, Features, Mode, Offer, SocketAccess};

use super::{
    choices::Choices,
    estate::memory_file,
    script::{self, Said},
};

/// Octets of the longest message.
const MESSAGE_MAX: usize = 12 + 264;

/// What came of hostile sessions.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) actions: usize,
    /// Names of the faults that were found.
    pub(crate) faults: BTreeSet<String>,
}

/// What a port of two queue pairs offers.
pub(crate) fn offer() -> Offer {
    let config = DeviceConfig {
        socket: "/nowhere".into(),
        mode: Mode::Client,
        access: SocketAccess::default(),
        queue_pairs: 2,
        mtu: 1500,
        offloads: Features::CHECKSUMS | Features::TO_GUEST | Features::FROM_GUEST,
    };
    vhost::offer(&config)
}

/// Says what these octets choose.
pub(crate) fn live(octets: &[u8]) -> Tally {
    let mut choices = Choices::new(octets);
    let (mut tally, memory) = (Tally::default(), memory_file(0x1000));
    while !choices.are_over() {
        let mut backend = Backend::new(offer());
        let mut all = script::session(&mut choices, offer().features.0, offer().protocol.0);
        script::spoil(&mut choices, &mut all);
        for said in all {
            if let Err(fault) = say(&mut choices, &mut backend, &said, &memory, &mut tally) {
                tally.faults.insert(name(&fault));
                break;
            }
            is_sound(&backend);
        }
    }
    tally
}

/// The name of a fault without its values; of one in a ring, the ring's.
pub(crate) fn name(fault: &Fault) -> String {
    let all = if let Fault::Ring { fault, .. } = fault { format!("{fault:?}") } else { format!("{fault:?}") };
    all.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

/// Hands one message over, perhaps in pieces; its descriptors come with the first one.
fn say(
    choices: &mut Choices<'_>,
    backend: &mut Backend,
    said: &Said,
    memory: &std::fs::File,
    tally: &mut Tally,
) -> Result<(), Fault> {
    let mut fds: Vec<_> = said.fds.iter().map(|kind| kind.open(memory)).collect();
    let mut left = &said.octets[..];
    while !left.is_empty() {
        let wanted = backend.wanted();
        assert!((1..=MESSAGE_MAX).contains(&wanted), "{wanted} octets wanted");
        let cut = if choices.once_in(8) { 1 + choices.up_to(20) } else { left.len() };
        let (now, later) = left.split_at(cut.min(wanted).min(left.len()));
        backend.receive(now, std::mem::take(&mut fds))?;
        left = later;
        while let Some(action) = backend.next()? {
            check(&action);
            tally.actions += 1;
            assert!(backend.is_open() && backend.wanted() == 0, "nothing overtakes an action");
            backend.done(answer(choices));
        }
        while let Some(reply) = backend.reply() {
            assert!(reply.octets().len() <= MESSAGE_MAX);
        }
    }
    Ok(())
}

/// What an action asks for can be, whatever was said.
fn check(action: &Action) {
    let regions = match action {
        Action::Memory(regions) => &regions[..],
        Action::AddRegion(region) => std::slice::from_ref(region),
        Action::Stop(ring) => return assert!(ring.0 < 4),
        Action::Log(area) => return assert!(area.size > 0 && area.offset.checked_add(area.size).is_some()),
        Action::Inflight(area) => return assert!(area.size > 0 && (1..=4).contains(&area.rings) && area.ring_size > 0),
        _ => return,
    };
    assert!(regions.len() <= 8);
    for place in regions.iter().map(|region| &region.place) {
        let ends = [place.guest.0, place.user.0, place.offset].map(|start| start.checked_add(place.size));
        assert!(place.size > 0 && ends.iter().all(Option::is_some), "{place:?}");
    }
}

/// Any end of an action, also one that does not belong to it.
fn answer(choices: &mut Choices<'_>) -> Done {
    match choices.up_to(9) {
        0 => Done::Base(choices.any() as u32),
        1 => Done::Inflight { size: 0x1000, fd: memory_file(0x1000).into() },
        _ => Done::Yes,
    }
}

/// What is known of the rings is bounded, whatever was said.
fn is_sound(backend: &Backend) {
    assert_eq!(backend.rings().len(), 4);
    assert!(backend.rings().iter().all(|ring| ring.size <= 32_768));
    assert!(backend.active_rings().count() <= 4);
    assert!(offer().features.has(backend.features()) && offer().protocol.has(backend.protocol_features()));
}
