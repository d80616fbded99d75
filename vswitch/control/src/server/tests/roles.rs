//! Who may do what, who may do nothing, and who asks too much.

use api::ErrorCode;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn apply(dry_run: bool) -> Request {
    Request::Apply { config: String::new(), file: "a".into(), dry_run, base_revision: None }
}

fn line(request: Request) -> String {
    RpcRequest::new(4, request).encode()
}

fn hello_of(session: &mut Session) -> Option<UserRole> {
    Hello::decode(take_output(session).as_bytes()).unwrap().role
}

/// The one error that is said, with its id.
fn refusal(output: &str) -> (Option<i64>, ErrorCode, String) {
    let answer = RpcResponse::decode(output.as_bytes(), &Request::Version).unwrap();
    let error = answer.outcome.unwrap_err();
    let id = answer.id.map(|id| if let Id::Number(number) = id { number } else { panic!("{id:?}") });
    (id, error.kind().unwrap(), error.message)
}

#[test]
fn a_stranger_is_told_who_may_and_the_conversation_ends() {
    let mut session = session_of(user(1_000));
    assert_eq!(hello_of(&mut session), None);
    let (requests, output) = converse(&mut session, line(Request::Version).repeat(2).as_bytes());
    assert!(requests.is_empty());
    let (id, code, message) = refusal(&output);
    assert_eq!((id, code), (Some(4), ErrorCode::NotAuthorised));
    let expected = "uid 1000 may not use this socket; allowed: root, uid 33, members of staff (";
    assert!(message.starts_with(expected), "{message}");
    assert!(session.is_finished());
    assert_eq!(converse(&mut session_of(user(33)), line(Request::Version).as_bytes()).0, [Request::Version]);
}

#[test]
fn a_stranger_who_talks_nonsense_is_done_with_after_one_line() {
    let mut session = session_of(user(1_000));
    take_output(&mut session);
    let (_, output) = converse(&mut session, &b"nonsense\n".repeat(1_000));
    assert_eq!((codes(&output), session.is_finished()), (vec![-32700], true));
}

#[test]
fn a_reader_asks_everything_but_changes_nothing() {
    let mut session = session_of(reader());
    assert_eq!(hello_of(&mut session), Some(UserRole::Reader));
    for request in [Request::Version, Request::ShowLedger, apply(true)] {
        assert_eq!(converse(&mut session, line(request.clone()).as_bytes()).0, [request]);
    }
    let (requests, output) = converse(&mut session, line(apply(false)).as_bytes());
    assert!(requests.is_empty());
    let (id, code, message) = refusal(&output);
    assert_eq!((id, code), (Some(4), ErrorCode::ReadOnly));
    assert!(message.contains("`apply` changes the switch; allowed: root, uid 33 (`admins`"), "{message}");
    assert_eq!(converse(&mut session, line(Request::Version).as_bytes()).0, [Request::Version], "it goes on");
}

#[test]
fn a_new_configuration_changes_the_roles_of_open_sessions() {
    let (mut gate, hello) = (gate(), Hello::new("0.1.0", "node-a"));
    let mut sessions = [user(33), reader()].map(|peer| Session::new(peer, &gate, &hello));
    sessions.iter_mut().for_each(|session| drop(take_output(session)));
    let mut changed = access();
    changed.admins.remove(&33);
    changed.readers.insert(33, "uid 33".to_owned());
    changed.admin_groups = std::mem::take(&mut changed.reader_groups);
    gate.change(changed, PACE);
    sessions.iter_mut().for_each(|session| session.heed(&gate));
    let asked = sessions.map(|mut session| {
        let (requests, output) = converse_at(&mut session, line(apply(false)).as_bytes(), &mut gate, MS);
        (requests.len(), output.contains("-32005"))
    });
    assert_eq!(asked, [(0, true), (1, false)], "the admin reads now, the reader is one");
}

#[test]
fn who_loses_the_last_role_is_told_and_gets_the_answer_that_is_due() {
    let nobody = Gate::new(Access::default(), PACE);
    let mut idle = greeted();
    idle.heed(&nobody);
    let (id, code, _) = refusal(&take_output(&mut idle));
    assert_eq!((id, code, idle.is_finished()), (None, ErrorCode::NotAuthorised, true));

    let mut waiting = greeted();
    waiting.receive(line(apply(false)).repeat(2).as_bytes());
    assert!(next(&mut waiting).is_some());
    waiting.heed(&nobody);
    assert!(waiting.output().is_empty() && !waiting.is_finished());
    waiting.answer(Ok(version()));
    let output = take_output(&mut waiting);
    let (first, second) = output.split_once('\n').unwrap();
    assert!(first.contains(r#""id":4,"result""#), "{first}");
    assert_eq!((refusal(second).0, refusal(second).1), (None, ErrorCode::NotAuthorised));
    assert!(next(&mut waiting).is_none() && waiting.is_finished(), "what else was asked is not heard");
}

#[test]
fn who_loses_the_role_and_gets_it_back_before_the_answer_stays() {
    let mut session = greeted();
    session.receive(line(Request::Version).as_bytes());
    assert!(next(&mut session).is_some());
    session.heed(&Gate::new(Access::default(), PACE));
    session.heed(&gate());
    session.answer(Ok(version()));
    assert!(!session.is_finished() && session.wants_input());
}

fn slow() -> Gate {
    Gate::new(access(), Pace { requests_per_s: 10, requests_burst: 5, ..PACE })
}

#[test]
fn who_asks_too_much_is_answered_later_but_completely_and_in_order() {
    let (mut session, mut gate) = (greeted(), slow());
    let lines: String = (0..50).map(|id| RpcRequest::new(id, Request::Version).encode()).collect();
    let (mut requests, mut output) = converse_at(&mut session, lines.as_bytes(), &mut gate, Duration::ZERO);
    assert_eq!(requests.len(), 5);
    assert!(!session.wants_input(), "nor is more read, or the loop would spin");
    for ms in 1..=4_500 {
        let (more, said) = converse_at(&mut session, b"", &mut gate, ms * MS);
        requests.extend(more);
        output.push_str(&said);
    }
    assert_eq!(requests.len(), 50);
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap();
    assert!(output.lines().map(id).eq(0..50));
    assert!(session.wants_input());
}

#[test]
fn nonsense_counts_like_a_request() {
    let (mut session, mut gate) = (greeted(), slow());
    let (_, output) = converse_at(&mut session, &b"x\n".repeat(100), &mut gate, Duration::ZERO);
    assert_eq!(output.lines().count(), 5);
}

#[test]
fn what_would_wait_too_long_is_refused_and_says_when_to_ask_again() {
    let mut gate = Gate::new(access(), Pace { requests_per_s: 1, requests_burst: 1, ..PACE });
    let mut sessions: Vec<Session> = (0..4).map(|_| greeted()).collect();
    let mut answers = vec![String::new(); 4];
    for ms in 0..=2_500 {
        for (session, answers) in sessions.iter_mut().zip(&mut answers) {
            let input = if ms == 0 { line(Request::Version) } else { String::new() };
            answers.push_str(&converse_at(session, input.as_bytes(), &mut gate, ms * MS).1);
        }
    }
    let refused: Vec<&String> = answers.iter().filter(|answer| answer.contains("error")).collect();
    assert_eq!((answers.iter().all(|answer| answer.lines().count() == 1), refused.len()), (true, 1), "{answers:?}");
    let error = serde_json::from_str::<Value>(refused[0]).unwrap()["error"].clone();
    assert_eq!(error["code"], -32006);
    assert!((1..=1_000).contains(&error["data"]["retry_after_ms"].as_u64().unwrap()), "{error}");
    assert!(error["message"].as_str().unwrap().starts_with("uid 0 asks more than 1 requests a second"), "{error}");
}

#[test]
fn a_user_who_asks_too_much_keeps_no_other_waiting() {
    let mut gate = slow();
    let mut greedy: Vec<Session> = (0..4).map(|_| greeted()).collect();
    let mut other = session_of(reader());
    take_output(&mut other);
    let flood = line(Request::Version).repeat(1_000);
    for ms in 0..1_000 {
        for session in &mut greedy {
            converse_at(session, if ms == 0 { flood.as_bytes() } else { b"" }, &mut gate, ms * MS);
        }
        if ms % 100 == 0 {
            assert_eq!(converse_at(&mut other, line(Request::Version).as_bytes(), &mut gate, ms * MS).0.len(), 1);
        }
    }
}
