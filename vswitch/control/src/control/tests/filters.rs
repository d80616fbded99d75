//! Rows of long lists, picked by the switch.

use api::{ErrorCode, FlowFilter, MacFilter, Reply, Request};
use wire::Mac;

use super::{A1, A2, ONE_NODE, frame, introduce, rig::Rig};

fn macs(rig: &mut Rig, filter: MacFilter) -> (u64, Vec<Mac>) {
    match rig.ask(Request::ShowMacs(filter)) {
        Ok(Reply::Macs(macs)) => (macs.total, macs.macs.iter().map(|row| row.mac).collect()),
        other => panic!("{other:?}"),
    }
}

fn flows(rig: &mut Rig, filter: FlowFilter) -> Vec<(Mac, Mac)> {
    match rig.ask(Request::ShowFlows(filter)) {
        Ok(Reply::Flows(flows)) => flows.flows.iter().map(|row| (row.src, row.dst)).collect(),
        other => panic!("{other:?}"),
    }
}

fn named(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn a_filter_picks_rows_before_the_limit_cuts_them() {
    let mut rig = Rig::new(&format!("{ONE_NODE}[[network]]\nname = \"red\"\nvni = 7\n"));
    introduce(&mut rig);
    rig.send("a1", &frame(A2, A1, 1));
    rig.run_ms(20);
    let all = MacFilter::default;
    assert_eq!(macs(&mut rig, all()).0, 2);
    assert_eq!(macs(&mut rig, MacFilter { limit: Some(1), member: named("a2"), ..all() }), (1, vec![A2]));
    assert_eq!(macs(&mut rig, MacFilter { mac: Some(A1), network: named("blue"), ..all() }), (1, vec![A1]));
    assert_eq!(macs(&mut rig, MacFilter { mac: Some(A1), member: named("a2"), ..all() }).0, 0);
    assert_eq!(macs(&mut rig, MacFilter { network: named("red"), ..all() }).0, 0);
    let all = FlowFilter::default;
    let unicast = (A1, A2);
    assert_eq!(flows(&mut rig, all()).len(), 3);
    assert!(flows(&mut rig, FlowFilter { member: named("a1"), mac: Some(A2), ..all() }).contains(&unicast));
    assert!(flows(&mut rig, FlowFilter { member: named("a2"), mac: Some(A1), ..all() }).contains(&unicast));
    assert_eq!(flows(&mut rig, FlowFilter { member: named("a2"), ..all() }).len(), 2, "one each way");
    assert!(flows(&mut rig, FlowFilter { network: named("red"), ..all() }).is_empty());
    assert_eq!(flows(&mut rig, FlowFilter { network: named("blue"), ..all() }).len(), 3);
    rig.stop();
}

#[test]
fn a_filter_that_names_nothing_there_is_an_error_and_not_an_empty_list() {
    let mut rig = Rig::new(ONE_NODE);
    for (network, member) in [(named("blu"), None), (None, named("a9"))] {
        let macs = MacFilter { network: network.clone(), member: member.clone(), ..MacFilter::default() };
        let flows = FlowFilter { network: network.clone(), member: member.clone(), ..FlowFilter::default() };
        for request in [Request::ShowMacs(macs), Request::ShowFlows(flows)] {
            let error = rig.ask(request).unwrap_err();
            assert_eq!(error.kind(), Some(ErrorCode::InvalidParams));
            let name = network.as_deref().or(member.as_deref()).unwrap_or_default();
            assert!(error.message.contains(&format!("`{name}`")), "{}", error.message);
        }
    }
    rig.stop();
}
