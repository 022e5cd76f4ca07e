//! Traces as protobuf, written here byte by byte: what forecall leaves unread must be passed over.

use forecall_wire::telemetry::Format;

use super::{decoded, source};

/// A field whose value has a length: a message, a text, bytes.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = value.len();
    while len >= 0x80 {
        out.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap());
    out.extend(value);
    out
}

fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

fn fixed(field: u8, value: u64) -> Vec<u8> {
    let mut out = vec![field << 3 | 1];
    out.extend(value.to_le_bytes());
    out
}

fn attribute(key: &str, value: &str) -> Vec<u8> {
    let text = field(1, value.as_bytes());
    [field(1, key.as_bytes()), field(2, &text)].concat()
}

/// `ResourceSpans` of a service with one span, and all that a real one has beside it.
fn spans_of(service: &str, id: u64, parent: Option<u64>, kind: u8) -> Vec<u8> {
    let trace = [7; 16];
    let mut span = [
        field(1, &trace),
        field(2, &id.to_be_bytes()),
        field(3, b"state"),
        field(5, b"GET /"),
        number(6, kind),
        fixed(7, 1_767_225_590_000_000_000),
        fixed(8, 1_767_225_591_000_000_000),
        field(9, &attribute("http.method", "GET")),
        number(10, 1),
        field(11, &fixed(1, 5)),
        field(13, &field(1, &trace)),
        field(15, &number(3, 2)),
    ]
    .concat();
    if let Some(parent) = parent {
        span.extend(field(4, &parent.to_be_bytes()));
    }
    let scope = [field(1, &field(1, b"http")), field(2, &span)].concat();
    let resource = field(1, &attribute("service.name", service));
    [field(1, &resource), field(2, &scope), field(3, b"schema")].concat()
}

#[test]
fn protobuf_tells_the_same_as_json() {
    let request = [
        field(1, &spans_of("web", 0xaa, None, 3)),
        field(1, &spans_of("cart", 0xab, Some(0xaa), 2)),
    ]
    .concat();
    let json = r#"{"resourceSpans":[
        {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},"scopeSpans":[{"spans":[
            {"traceId":"07070707070707070707070707070707","spanId":"00000000000000aa","kind":3,"startTimeUnixNano":"1767225590000000000"}]}]},
        {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},"scopeSpans":[{"spans":[
            {"traceId":"07070707070707070707070707070707","spanId":"00000000000000ab","parentSpanId":"00000000000000aa","kind":2,
             "startTimeUnixNano":"1767225590000000000"}]}]}]}"#;
    let traces = source(Format::OtlpTraces);
    let told = decoded(&traces, &request);
    assert_eq!(told, decoded(&traces, json.as_bytes()));
    assert_eq!(told.lines().count(), 2, "{told}");
    let caller = told.lines().next().unwrap().split(' ').nth(2).unwrap();
    assert!(told.ends_with(&format!("within {caller}\n")), "{told}");
}

#[test]
fn what_is_no_trace_is_refused() {
    let traces = source(Format::OtlpTraces);
    assert_eq!(decoded(&traces, b""), "nothing\n");
    for value in [&b"\xff\xff"[..], b"plain", &field(1, &field(2, b"\x12\x00"))] {
        let told = decoded(&traces, value);
        assert!(told.starts_with("refused: malformed: "), "{told}");
    }
    let metrics = source(Format::OtlpProto);
    let request = field(1, &spans_of("web", 0xaa, None, 3));
    let told = decoded(&metrics, &request);
    assert!(
        told.starts_with("refused: "),
        "a topic of metrics takes no traces: {told}"
    );
}
