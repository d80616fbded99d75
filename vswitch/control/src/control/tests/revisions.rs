//! Two writers of one configuration, and what is remembered of its text.

use api::{Applied, ErrorCode, Reply, Request, RpcError, RunningConfig};

use super::{A3, A4, ONE_NODE, rig::Rig};

fn running(rig: &mut Rig) -> RunningConfig {
    match rig.ask(Request::ShowConfig).unwrap() {
        Reply::Config(config) => config,
        other => panic!("{other:?}"),
    }
}

fn apply(rig: &mut Rig, text: &str, base: u64, dry_run: bool) -> Result<Applied, RpcError> {
    let base_revision = Some(base);
    match rig.ask(Request::Apply { config: text.into(), file: "rig.toml".into(), dry_run, base_revision })? {
        Reply::Applied(applied) => Ok(applied),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_text_in_force_is_told_word_for_word_and_counts_its_changes() {
    let mut rig = Rig::new(ONE_NODE);
    assert_eq!(running(&mut rig), RunningConfig { text: ONE_NODE.into(), file: "rig.toml".into(), revision: 1 });
    let more = format!("# more\n{ONE_NODE}{A3}");
    assert_eq!(rig.apply(&more).unwrap().revision, 2);
    assert_eq!(running(&mut rig), RunningConfig { text: more.clone(), file: "rig.toml".into(), revision: 2 });
    assert_eq!(rig.apply(&more).unwrap().revision, 2, "the same text is no change");
    let commented = more.replace("# more", "# many");
    let applied = rig.apply(&commented).unwrap();
    assert_eq!((applied.revision, applied.diff.len()), (3, 0), "a comment is one of the text alone");
    assert_eq!(running(&mut rig).text, commented);
    rig.stop();
}

#[test]
fn the_second_of_two_writers_is_told_of_the_first_and_changes_nothing() {
    let mut rig = Rig::new(ONE_NODE);
    let base = running(&mut rig).revision;
    assert_eq!(apply(&mut rig, &format!("{ONE_NODE}{A3}"), base, false).unwrap().revision, 2);
    rig.run_ms(3_000);
    for dry_run in [true, false] {
        let error = apply(&mut rig, &format!("{ONE_NODE}{A4}"), base, dry_run).unwrap_err();
        assert_eq!(error.kind(), Some(ErrorCode::Conflict));
        let conflict = error.conflicting().unwrap();
        assert_eq!((conflict.base, conflict.running, conflict.changes.len()), (1, 2, 1));
        let first = &conflict.changes[0];
        assert_eq!(
            (first.revision, first.file.as_str(), first.diff[0].text.starts_with("port a3")),
            (2, "rig.toml", true)
        );
        assert!((3_000..4_000).contains(&first.age_ms), "{first:?}");
        assert!(error.message.contains("at revision 2, not 1; last changed: revision 2, 3 s ago: + port a3"));
    }
    assert_eq!(running(&mut rig).text, format!("{ONE_NODE}{A3}"));
    assert_eq!(apply(&mut rig, &format!("{ONE_NODE}{A4}"), 2, false).unwrap().revision, 3);
    rig.stop();
}

#[test]
fn a_change_that_fails_leaves_text_and_revision_as_they_were() {
    let mut rig = Rig::new(ONE_NODE);
    rig.world.lock().unwrap().broken.extend(["if-a3".to_owned(), "if-b2".to_owned()]);
    let moved = ONE_NODE.replace("if-a2", "if-b2");
    for text in [format!("{ONE_NODE}{A3}"), moved, ONE_NODE.replace("count = 1", "count = 2"), "[".into()] {
        apply(&mut rig, &text, 1, false).unwrap_err();
        assert_eq!(running(&mut rig), RunningConfig { text: ONE_NODE.into(), file: "rig.toml".into(), revision: 1 });
    }
    rig.stop();
}

#[test]
fn who_made_a_change_is_remembered_and_a_conflict_stays_short() {
    let mut rig = Rig::new(ONE_NODE);
    for number in 0..40 {
        let text = format!("# {number}\n{ONE_NODE}");
        let request = Request::Apply { config: text, file: "f".into(), dry_run: false, base_revision: None };
        let super::super::Answer::Later(ticket) = rig.control.handle(request, Some(1_000 + number)) else {
            panic!("refused")
        };
        assert!(rig.control.answer_later(ticket).is_some_and(|answer| answer.is_ok()));
    }
    let conflict = apply(&mut rig, ONE_NODE, 1, false).unwrap_err().conflicting().unwrap();
    assert_eq!((conflict.running, conflict.changes.len()), (41, 16));
    assert_eq!((conflict.changes[0].uid, conflict.changes[0].revision), (Some(1_039), 41));
    rig.stop();
}
