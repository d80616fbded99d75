//! The lines a stranger's client would send and see, word by word.

use api::{
    Applied, ConfigProblem, DiffLine, DiffOp, ErrorCode, Id, LINE_MAX, Ledger, METHODS, MacFilter, PROBLEMS_MAX,
    Refusal, Reply, Request, RpcError, RpcRequest, RpcResponse, Terms, WorkerLedger,
};

fn refused(line: &str) -> Refusal {
    RpcRequest::decode(line.as_bytes()).expect_err(line)
}

fn code(refusal: &Refusal) -> Option<ErrorCode> {
    refusal.error.kind()
}

#[test]
fn a_request_line_reads_and_writes_as_documented() {
    let line = r#"{"jsonrpc":"2.0","id":1,"method":"show_macs","params":{"network":"blue"}}"#;
    let request =
        RpcRequest::new(1, Request::ShowMacs(MacFilter { network: Some("blue".into()), ..Default::default() }));
    assert_eq!(RpcRequest::decode(line.as_bytes()).unwrap(), request);
    assert_eq!(request.encode(), format!("{line}\n"));
    assert_eq!(
        RpcRequest::new(7, Request::Version).encode(),
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"version\"}\n"
    );
}

#[test]
fn optional_params_may_be_left_out_or_empty() {
    for params in ["", r#","params":{}"#] {
        for method in ["version", "show_ports", "show_macs", "show_flows", "show_ledger"] {
            let line = format!(r#"{{"id":"x","method":"{method}"{params},"jsonrpc":"2.0"}}"#);
            let request = RpcRequest::decode(line.as_bytes()).unwrap_or_else(|e| panic!("{line}: {e:?}"));
            assert_eq!((request.request.method(), &request.id), (method, &Id::Text("x".into())));
        }
    }
}

#[test]
fn an_apply_without_dry_run_means_it() {
    let line = r#"{"jsonrpc":"2.0","id":1,"method":"apply","params":{"config":"[switch]","file":"a.toml"}}"#;
    let request =
        Request::Apply { config: "[switch]".into(), file: "a.toml".into(), dry_run: false, base_revision: None };
    assert_eq!(RpcRequest::decode(line.as_bytes()).unwrap().request, request);
}

#[test]
fn every_listed_method_is_known_and_an_unknown_one_gets_the_list() {
    for method in METHODS {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        match RpcRequest::decode(line.as_bytes()) {
            Ok(request) => assert_eq!(request.request.method(), method),
            Err(refusal) => assert_eq!(code(&refusal), Some(ErrorCode::InvalidParams), "{method} has required ones"),
        }
    }
    let refusal = refused(r#"{"jsonrpc":"2.0","id":5,"method":"show_port"}"#);
    assert_eq!((code(&refusal), &refusal.id), (Some(ErrorCode::MethodNotFound), &Some(Id::Number(5))));
    assert!(
        refusal
            .error
            .message
            .starts_with("no method `show_port`; there are: version, check, apply, show_config, show_ports")
    );
}

#[test]
fn wrong_params_are_named_and_never_ignored() {
    let cases = [
        (r#""show_macs","params":{"netwrok":"blue"}"#, "unknown field `netwrok`"),
        (r#""show_macs","params":{"network":7}"#, "expected a string"),
        (r#""show_macs","params":["blue"]"#, "`params` must be an object"),
        (r#""show_flows","params":{"limit":-1}"#, "u32"),
        (r#""show_ports","params":{"x":1}"#, "`show_ports` takes no parameters, but got `x`"),
        (r#""apply","params":{"file":"a"}"#, "missing field `config`"),
        (r#""check","params":{"config":"","file":"a","dry_run":true}"#, "unknown field `dry_run`"),
    ];
    for (rest, expected) in cases {
        let refusal = refused(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":{rest}}}"#));
        assert_eq!(code(&refusal), Some(ErrorCode::InvalidParams), "{rest}");
        assert!(refusal.error.message.contains(expected), "{rest}: {}", refusal.error.message);
        assert_eq!(refusal.id, Some(Id::Number(1)));
    }
}

#[test]
fn lines_that_are_no_request_get_the_standard_code() {
    let long_id = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"version"}}"#, "i".repeat(65));
    let deep = "[".repeat(100_000);
    let cases = [
        ("", ErrorCode::Parse),
        ("{\"jsonrpc\":", ErrorCode::Parse),
        ("GET / HTTP/1.1\r\n", ErrorCode::Parse),
        (deep.as_str(), ErrorCode::Parse),
        (r#"{"jsonrpc":"2.0","id":1,"method":"version"} {}"#, ErrorCode::Parse),
        ("7", ErrorCode::InvalidRequest),
        ("{}", ErrorCode::InvalidRequest),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"version"}]"#, ErrorCode::InvalidRequest),
        (r#"{"jsonrpc":"2.0","method":"version"}"#, ErrorCode::InvalidRequest),
        (r#"{"jsonrpc":"2.0","id":null,"method":"version"}"#, ErrorCode::InvalidRequest),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"version"}"#, ErrorCode::InvalidRequest),
        (r#"{"jsonrpc":"1.0","id":1,"method":"version"}"#, ErrorCode::InvalidRequest),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, ErrorCode::InvalidRequest),
        (r#"{"jsonrpc":"2.0","id":1,"method":"version","parms":{}}"#, ErrorCode::InvalidRequest),
        (long_id.as_str(), ErrorCode::InvalidRequest),
    ];
    for (line, expected) in cases {
        let refusal = refused(line);
        assert_eq!(code(&refusal), Some(expected), "{}: {}", &line[..line.len().min(60)], refusal.error.message);
    }
    let not_utf8 = RpcRequest::decode(b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\"}").unwrap_err();
    assert_eq!(code(&not_utf8), Some(ErrorCode::Parse));
}

#[test]
fn a_request_beyond_the_longest_line_is_refused_unread() {
    let mut line = r#"{"jsonrpc":"2.0","id":1,"method":"version"}"#.to_owned();
    line.push_str(&" ".repeat(LINE_MAX - line.len()));
    assert!(RpcRequest::decode(line.as_bytes()).is_ok());
    line.push(' ');
    assert_eq!(code(&refused(&line)), Some(ErrorCode::InvalidRequest));
}

#[test]
fn what_the_client_sent_is_echoed_only_in_part() {
    let name = "m".repeat(900_000);
    let unknown = refused(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{name}"}}"#));
    let member = refused(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"version","{name}":1}}"#));
    let param = refused(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"version","params":{{"{name}":1}}}}"#));
    let field = refused(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"show_flows","params":{{"{name}":1}}}}"#));
    let value = refused(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"show_flows","params":{{"limit":"{name}"}}}}"#));
    for refusal in [unknown, member, param, field, value] {
        assert!(refusal.error.message.len() < 500, "{} octets", refusal.error.message.len());
    }
}

#[test]
fn an_answer_line_is_the_documented_one() {
    let applied = Applied {
        diff: vec![DiffLine { op: DiffOp::Changed, text: "port a1: mtu 1450 -> 1400".into() }],
        generation: 3,
        revision: 5,
        applied: true,
        warnings: vec![],
    };
    let response = RpcResponse { id: Some(Id::Number(1)), outcome: Ok(Reply::Applied(applied)) };
    let expected = concat!(
        r#"{"jsonrpc":"2.0","id":1,"result":{"diff":[{"op":"~","text":"port a1: mtu 1450 -> 1400"}],"#,
        r#""generation":3,"revision":5,"applied":true,"warnings":[]}}"#,
        "\n"
    );
    assert_eq!(response.encode(), expected);
}

#[test]
fn a_refusal_becomes_an_answer_with_a_null_id() {
    let answer = RpcResponse::from(refused("{")).encode();
    assert!(
        answer.starts_with(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"not JSON: "#),
        "{answer}"
    );
}

#[test]
fn a_refused_configuration_carries_every_problem_as_data() {
    let problem = |line| ConfigProblem {
        file: "a.toml".into(),
        line,
        column: 1,
        message: "no network `blu`".into(),
        hint: Some("did you mean `blue`?".into()),
    };
    let error = RpcError::config_refused(&[problem(2), problem(9)]);
    assert_eq!((error.code, error.message.as_str()), (-32002, "the configuration is refused: 2 problems"));
    assert_eq!(error.problems(), [problem(2), problem(9)]);
    let one = RpcError::config_refused(&[problem(2)]).message;
    assert_eq!(one, "the configuration is refused: a.toml:2:1: no network `blu`; did you mean `blue`?");
    assert_eq!(RpcError::busy().problems(), []);
    let many: Vec<_> = (0..1000).map(problem).collect();
    assert_eq!(RpcError::config_refused(&many).problems(), many[..PROBLEMS_MAX]);
}

#[test]
fn an_answer_of_the_wrong_shape_is_an_error_and_new_members_are_none() {
    let decode = |line: &str| RpcResponse::decode(line.as_bytes(), &Request::ShowNetworks);
    assert!(decode(r#"{"jsonrpc":"2.0","id":1,"result":{"networks":[],"more":1},"x":2}"#).unwrap().outcome.is_ok());
    let bad = [
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"ports":[]}}"#,
        r#"{"jsonrpc":"1.0","id":1,"result":{"networks":[]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"networks":[]},"error":{"code":1,"message":""}}"#,
        "",
        "null",
    ];
    bad.iter().for_each(|line| assert!(decode(line).is_err(), "{line}"));
}

#[test]
fn a_workers_terms_stand_beside_its_number() {
    let worker = WorkerLedger { worker: 1, terms: Terms { rx: 2, tx: 2, ..Terms::default() }, balanced: false };
    let text = serde_json::to_value(Ledger::new(vec![worker], vec![], vec![])).unwrap();
    assert_eq!((&text["workers"][0]["rx"], &text["workers"][0]["balanced"]), (&2.into(), &true.into()));
    assert_eq!((&text["total"]["tx"], &text["balanced"]), (&2.into(), &true.into()));
}
