use super::*;
use crate::Tls;
use crate::connection::Timeouts;

/// Every limit, with the unit that the table has. A field that is added breaks this until it has a row.
fn limits() -> Vec<(&'static str, String)> {
    let Limits {
        head_bytes,
        headers,
        url_bytes,
        query_bytes,
        body_bytes,
        http2_streams,
        http2_resets,
        http2_pending_resets,
    } = Limits::default();
    let Timeouts { head, idle, stall, octets_per_second } = Timeouts::default();
    vec![
        ("Limits::head_bytes", bytes(head_bytes as u64)),
        ("Limits::headers", grouped(headers as u64)),
        ("Limits::MOST_HEADERS", grouped(Limits::MOST_HEADERS as u64)),
        ("Limits::url_bytes", bytes(url_bytes as u64)),
        ("Limits::query_bytes", bytes(query_bytes as u64)),
        ("Limits::body_bytes", bytes(body_bytes)),
        ("CHUNK_OVERHEAD", bytes(CHUNK_OVERHEAD)),
        ("CHUNK_OVERHEAD_PER_BYTE", bytes(CHUNK_OVERHEAD_PER_BYTE)),
        ("READ_AHEAD", bytes(READ_AHEAD as u64)),
        ("LARGE_PLACES", grouped(LARGE_PLACES as u64)),
        ("LARGE_LENT", grouped(LARGE_LENT as u64)),
        ("DRAINED", bytes(DRAINED)),
        ("Server::connections", grouped(CONNECTIONS as u64)),
        ("Server::connections_per_address", grouped(CONNECTIONS_PER_ADDRESS as u64)),
        ("BACKLOG", grouped(u64::try_from(BACKLOG).expect("no negative limit"))),
        ("ACCEPT_PAUSE", time(ACCEPT_PAUSE)),
        ("ACCEPT_PAUSE_MOST", time(ACCEPT_PAUSE_MOST)),
        ("Server::head_timeout", time(head)),
        ("Server::idle_timeout", time(idle)),
        ("Server::stall_timeout", time(stall)),
        ("Server::minimum_rate", format!("{}/s", bytes(octets_per_second))),
        ("TlsBuilder::handshake_timeout", time(Tls::HANDSHAKE_TIMEOUT)),
        ("PROXY_LINE", bytes(PROXY_LINE as u64)),
        ("PROXY_HEADER", bytes(PROXY_HEADER as u64)),
        ("LINGER", time(LINGER)),
        ("OWED", time(OWED)),
        ("RESTLESS", time(RESTLESS)),
        ("WARM", grouped(WARM as u64)),
        ("IDLE_LOOK", time(IDLE_LOOK)),
        ("Limits::http2_streams", grouped(http2_streams.into())),
        ("Limits::http2_resets", grouped(http2_resets as u64)),
        ("Limits::http2_pending_resets", grouped(http2_pending_resets as u64)),
        ("HTTP2_WINDOW", bytes(HTTP2_WINDOW.into())),
        ("HTTP2_SEND_BUFFER", bytes(HTTP2_SEND_BUFFER as u64)),
    ]
}

/// Name and value of each row.
fn rows() -> Vec<(&'static str, String)> {
    let rows = include_str!("../limits.md").lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row.split('|').map(str::trim);
        let name = cells.next().and_then(|name| name.strip_suffix('`')).expect("a name in quotes");
        let value = cells.next().expect("a default").to_owned();
        let rest: Vec<_> = cells.collect();
        // What it bounds, what the client gets, what it costs, where it is from; behind the last stroke is nothing.
        assert!(rest.len() == 5 && rest[..4].iter().all(|cell| !cell.is_empty()), "{name}: {rest:?}");
        (name, value)
    })
    .collect()
}

#[test]
fn the_table_has_every_limit_with_its_value() {
    assert_eq!(rows(), limits());
}

#[test]
fn the_constants_of_this_file_are_in_the_table() {
    let constants = include_str!("../limits.rs").lines();
    let names = constants.filter_map(|line| line.trim().strip_prefix("pub(crate) const ")?.split(':').next());
    let limits = limits();
    for name in names.filter(|name| !name.starts_with("CONNECTIONS")) {
        assert!(limits.iter().any(|(limit, _)| *limit == name), "{name} has no row");
    }
}

fn bytes(count: u64) -> String {
    format!("{} bytes", grouped(count))
}

fn time(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}

/// With a comma between thousands.
fn grouped(count: u64) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", grouped(count / 1000), count % 1000) }
}
