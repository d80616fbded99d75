mod roles;

use std::collections::HashSet;

use api::{DecodeError, ErrorCode, Version};
use serde_json::Value;

use super::*;
use crate::config::Pace;

const HELLO: &str = concat!(
    r#"{"jsonrpc":"2.0","method":"hello","params":"#,
    r#"{"product":"millrace","version":"0.1.0","schema":1,"switch":"node-a","role":"admin"}}"#,
    "\n"
);

/// As fast as tests like it.
const PACE: Pace = Pace { requests_per_s: 1_000_000, requests_burst: 1_000_000, connections_per_user: 4 };

/// uid 0 and 33 are admins, members of 50 readers.
fn access() -> Access {
    let accounts = |list: &[(u32, &str)]| list.iter().map(|(number, name)| (*number, (*name).to_owned())).collect();
    Access {
        admins: accounts(&[(0, "root"), (33, "uid 33")]),
        reader_groups: accounts(&[(50, "staff")]),
        ..Access::default()
    }
}

fn gate() -> Gate {
    Gate::new(access(), PACE)
}

fn user(uid: u32) -> Peer {
    Peer { uid, gid: 1_000, groups: Vec::new() }
}

fn reader() -> Peer {
    Peer { groups: vec![50], ..user(1_000) }
}

fn session_of(peer: Peer) -> Session {
    Session::new(peer, &gate(), &Hello::new("0.1.0", "node-a"))
}

fn version() -> Reply {
    Reply::Version(Version {
        product: "millrace".into(),
        version: "0.1.0".into(),
        git: None,
        dpdk: None,
        cpu_level: None,
        schema: 1,
        switch: "node-a".into(),
        pid: 7,
        uptime_s: 3,
    })
}

fn next(session: &mut Session) -> Option<Request> {
    session.next_request(&mut gate(), Duration::ZERO)
}

fn take_output(session: &mut Session) -> String {
    let text = String::from_utf8(session.output().to_vec()).unwrap();
    session.sent(text.len());
    text
}

/// A session that has greeted, and what it answers to `input` when every request is answered with the version.
fn converse(session: &mut Session, input: &[u8]) -> (Vec<Request>, String) {
    converse_at(session, input, &mut gate(), Duration::ZERO)
}

/// The same, at a gate that has seen others and at some time.
fn converse_at(session: &mut Session, mut input: &[u8], gate: &mut Gate, now: Duration) -> (Vec<Request>, String) {
    let (mut requests, mut output) = (Vec::new(), String::new());
    loop {
        let taken = session.receive(input);
        input = &input[taken..];
        while let Some(request) = session.next_request(gate, now) {
            requests.push(request);
            session.answer(Ok(version()));
        }
        let said = take_output(session);
        if (input.is_empty() || taken == 0) && said.is_empty() {
            return (requests, output);
        }
        output.push_str(&said);
    }
}

fn greeted() -> Session {
    let mut session = session_of(user(0));
    assert_eq!(take_output(&mut session), HELLO);
    session
}

fn codes(output: &str) -> Vec<i64> {
    let code = |line| serde_json::from_str::<Value>(line).unwrap()["error"]["code"].as_i64().unwrap();
    output.lines().map(code).collect()
}

#[test]
fn a_conversation_reads_as_documented() {
    let mut session = greeted();
    let line = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}\n";
    let (requests, output) = converse(&mut session, line);
    assert_eq!(requests, [Request::Version]);
    let expected = concat!(
        r#"{"jsonrpc":"2.0","id":1,"result":{"product":"millrace","version":"0.1.0","git":null,"dpdk":null,"cpu_level":null,"#,
        r#""schema":1,"switch":"node-a","pid":7,"uptime_s":3}}"#,
        "\n"
    );
    assert_eq!(output, expected);
    assert!(session.wants_input() && !session.is_finished());
}

#[test]
fn pipelined_requests_are_answered_in_order_and_one_at_a_time() {
    let mut session = greeted();
    let lines: String = (0..3).map(|id| RpcRequest::new(id, Request::ShowPorts).encode()).collect();
    assert_eq!(session.receive(lines.as_bytes()), lines.len());
    for id in 0..3 {
        assert_eq!(next(&mut session), Some(Request::ShowPorts));
        assert_eq!(next(&mut session), None, "the first is open");
        assert!(!session.wants_input());
        session.answer(Err(RpcError::busy()));
        let answer: Value = serde_json::from_str(&take_output(&mut session)).unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::from(id), &Value::from(-32004)));
    }
    assert_eq!(next(&mut session), None);
    session.answer(Ok(version()));
    assert_eq!(session.output(), b"", "nothing is open");
}

#[test]
fn what_is_no_request_gets_the_code_of_the_standard_and_the_conversation_goes_on() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
    let table: [(&[u8], ErrorCode); 13] = [
        (b"hello?", ErrorCode::Parse),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,", ErrorCode::Parse),
        (b"\xff\xfe\x00", ErrorCode::Parse),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xc3\x28\"}", ErrorCode::Parse),
        (deep.as_bytes(), ErrorCode::Parse),
        (deep_object.as_bytes(), ErrorCode::Parse),
        (b"17", ErrorCode::InvalidRequest),
        (b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}]", ErrorCode::InvalidRequest),
        (b"{}", ErrorCode::InvalidRequest),
        (b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"version\"}", ErrorCode::InvalidRequest),
        (b"{\"jsonrpc\":\"2.0\",\"method\":\"version\"}", ErrorCode::InvalidRequest),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"reboot\"}", ErrorCode::MethodNotFound),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show_macs\",\"params\":{\"net\":1}}", ErrorCode::InvalidParams),
    ];
    let mut session = greeted();
    for (line, code) in table {
        let (requests, output) = converse(&mut session, &[line, b"\n"].concat());
        assert!(requests.is_empty());
        assert_eq!(
            codes(&output),
            [i64::from(code.number())],
            "{}",
            String::from_utf8_lossy(&line[..line.len().min(80)])
        );
    }
    assert_eq!(converse(&mut session, RpcRequest::new(1, Request::Version).encode().as_bytes()).0, [Request::Version]);
}

#[test]
fn a_line_beyond_the_bound_is_refused_and_ends_the_conversation() {
    let mut session = greeted();
    let huge = vec![b' '; 3 * LINE_MAX];
    let (_, output) = converse(&mut session, &huge);
    assert_eq!(codes(&output), [-32600]);
    assert!(session.is_finished() && !session.wants_input());
    assert_eq!(converse(&mut session, RpcRequest::new(1, Request::Version).encode().as_bytes()).0, []);
}

#[test]
fn a_peer_that_does_not_read_its_answers_is_not_read_from_either() {
    let mut session = greeted();
    let garbage = b"x\n".repeat(LINE_MAX / 2);
    let taken = session.receive(&garbage);
    assert_eq!(next(&mut session), None);
    let waiting = session.output().len();
    assert!((OUTPUT_HIGH..OUTPUT_HIGH + 1000).contains(&waiting), "{waiting}");
    assert!(!session.wants_input());
    assert!(session.receive(&garbage) + taken <= LINE_MAX + waiting);
    session.sent(waiting);
    assert!(session.wants_input());
}

#[test]
fn what_was_asked_before_the_peer_closed_its_end_is_still_answered() {
    let mut session = greeted();
    let line = RpcRequest::new(1, Request::Version).encode();
    session.receive(format!("{line}{{\"half").as_bytes());
    session.end_of_input();
    assert_eq!(next(&mut session), Some(Request::Version));
    assert!(!session.is_finished());
    session.answer(Ok(version()));
    assert_eq!(next(&mut session), None);
    assert!(!session.is_finished(), "the answer is not sent yet");
    let answer = take_output(&mut session);
    assert!(RpcResponse::decode(answer.as_bytes(), &Request::Version).is_ok());
    assert!(session.is_finished());
}

/// A xorshift generator; the seed is in the test, so a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn fifty_thousand_mutated_inputs_get_one_answer_a_line_and_nothing_else() {
    let texts = [
        RpcRequest::new(1, Request::Version).encode(),
        RpcRequest::new(2, Request::ShowFlows(api::FlowFilter { limit: Some(3), ..Default::default() })).encode(),
        RpcRequest::new(
            3,
            Request::Apply {
                config: "[switch]\nname=\"é\"".into(),
                file: "a".into(),
                dry_run: true,
                base_revision: None,
            },
        )
        .encode(),
        "[1,{\"a\":[null,true,1e400]}]\r\n\n".into(),
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut seen = HashSet::new();
    for round in 0..50_000 {
        let mut input = texts[random.below(4)].clone().into_bytes();
        input.extend_from_slice(texts[random.below(4)].as_bytes());
        for _ in 0..random.below(6) {
            let Some(bound) = std::num::NonZero::new(input.len()) else { break };
            let at = random.below(bound.get());
            match random.below(4) {
                0 => input[at] = random.below(256) as u8,
                1 => drop(input.remove(at)),
                2 => input.insert(at, b"{}[]\",:\n\\0e-"[random.below(12)]),
                _ => input.truncate(at + 1),
            }
        }
        let mut session = greeted();
        let cut = random.below(input.len() + 1);
        let (first, second) = input.split_at(cut);
        let mut output = converse(&mut session, first).1;
        output.push_str(&converse(&mut session, second).1);
        let lines = input.split(|&octet| octet == b'\n').collect::<Vec<_>>();
        let whole = lines[..lines.len() - 1].iter().filter(|line| !line.trim_ascii().is_empty()).count();
        assert_eq!(output.lines().count(), whole, "round {round}: {}", String::from_utf8_lossy(&input));
        for line in output.lines() {
            match RpcResponse::decode(line.as_bytes(), &Request::Version) {
                Ok(answer) => drop(seen.insert(answer.outcome.err().map(|error| error.code))),
                Err(DecodeError::Json(error)) => panic!("round {round}: {error}: {line}"),
                Err(error) => panic!("round {round}: {error}: {line}"),
            }
        }
    }
    assert!(seen.len() >= 5, "the mutations reach most answers: {seen:?}");
}
