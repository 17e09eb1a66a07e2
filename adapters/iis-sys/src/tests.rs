//! The tables against `abi.json`, and the records against `windows-sys`.

extern crate std;

use std::borrow::ToOwned;
use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use serde_json::Value;

use crate::types::GUID;
use crate::*;

mod calls;
mod records;

/// What the tests know of a class: its table.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) class: &'static str,
    /// The direct one first.
    pub(crate) bases: &'static [&'static str],
    /// None, or one.
    pub(crate) iid: &'static [GUID],
    pub(crate) slots: usize,
    pub(crate) methods: &'static [Method],
}

/// A row of the table. Types are written as in Rust.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) slot: usize,
    pub(crate) name: &'static str,
    /// Of `this`: `const` or `mut`.
    pub(crate) constant: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) result: &'static str,
    pub(crate) signature: &'static str,
}

macro_rules! facts {
    ($($class:ident),+ $(,)?) => { &[$($class::FACTS),+] };
}

/// Every class that `abi.json` has.
const CLASSES: &[Facts] = facts![
    IHttpStoredContext,
    IHttpModuleContextContainer,
    INamedContextContainer,
    IDispensedHttpModuleContextContainer,
    IHttpPerfCounterInfo,
    IHttpApplication,
    IHttpApplication2,
    IHttpUrlInfo,
    IScriptMapInfo,
    IMetadataInfo,
    IReferencedMetadataInfo,
    IHttpRequest,
    IHttpRequest2,
    IHttpRequest3,
    IHttpRequest4,
    IHttpCachePolicy,
    IHttpCachePolicy2,
    IHttpResponse,
    IHttpResponse2,
    IHttpResponse3,
    IHttpResponse4,
    IHttpUser,
    IHttpConnectionStoredContext,
    IHttpConnectionModuleContextContainer,
    IHttpConnection,
    IHttpContext,
    IHttpContext2,
    IHttpContext3,
    IHttpContext4,
    IHttpTraceContext,
    IHttpCacheKey,
    IHttpCacheSpecificData,
    IHttpSite,
    IHttpFileMonitor,
    IHttpFileInfo,
    IHttpTokenEntry,
    IHttpServer,
    IHttpServer2,
    IHttpServer3,
    IHttpEventProvider,
    IHttpCompletionInfo,
    IHttpCompletionInfo2,
    ICustomNotificationProvider,
    IAuthenticationProvider,
    IMapHandlerProvider,
    IMapPathProvider,
    ISendResponseProvider,
    IReadEntityProvider,
    IPreBeginRequestProvider,
    IHttpApplicationProvider,
    IHttpApplicationResolveModulesProvider,
    IGlobalRSCAQueryProvider,
    IGlobalStopListeningProvider,
    ICacheProvider,
    IGlobalConfigurationChangeProvider,
    IGlobalFileChangeProvider,
    IGlobalTraceEventProvider,
    IGlobalThreadCleanupProvider,
    IGlobalApplicationPreloadProvider,
    IGlobalApplicationPreloadProvider2,
    IGlobalSuspendProcessCallback,
    CHttpModule,
    CGlobalModule,
    IModuleAllocator,
    IHttpModuleFactory,
    IHttpModuleRegistrationInfo,
    IHttpModuleRegistrationInfo2,
];

fn abi() -> BTreeMap<String, Value> {
    serde_json::from_str(include_str!("../abi.json")).expect("abi.json is an object")
}

/// What `abi.json` says of a class, and the table of it.
fn pairs() -> Vec<(Value, &'static Facts)> {
    let abi = abi();
    CLASSES.iter().map(|facts| (abi[facts.class].clone(), facts)).collect()
}

/// Result, name and arguments of a signature, with whether it is const.
fn parse(signature: &str) -> (String, String, Vec<String>, bool) {
    let (head, rest) = signature.split_once('(').expect("a parenthesis");
    let (arguments, tail) = rest.rsplit_once(')').expect("its partner");
    let name = head.rsplit(|c: char| !c.is_alphanumeric() && c != '~').next().unwrap_or_default();
    let result = head.strip_suffix(name).unwrap_or_default();
    let result = result.strip_suffix("::").map_or(result, |class| {
        class.rsplit_once(['*', ' ']).map_or("", |_| class.trim_end_matches(|c: char| c.is_alphanumeric()))
    });
    let arguments = arguments.split(',').map(|argument| argument.trim().to_owned());
    let arguments = arguments.filter(|argument| !argument.is_empty()).collect();
    (result.trim().to_owned(), name.to_owned(), arguments, tail.trim() == "const")
}

/// What a type of C++ is in Rust, without spaces; nothing for `void`.
fn rust_type(cpp: &str) -> String {
    let constant = cpp.starts_with("const ");
    let plain = cpp.trim_start_matches("const ").trim_end_matches(['*', '&', ' ']);
    let stars = cpp.matches(['*', '&']).count();
    let name = match plain {
        "DWORD" | "ULONG" => "u32",
        "USHORT" => "u16",
        "UCHAR" | "BYTE" => "u8",
        "LONG" => "i32",
        "ULONGLONG" | "ULARGE_INTEGER" => "u64",
        "LPCWSTR" => "PCWSTR",
        "PVOID" => "*mutc_void",
        "PBYTE" => "*mutu8",
        "PULONG" => "*mutu32",
        "PSOCKADDR" => "*mutSOCKADDR",
        "LPOVERLAPPED" => "*mutOVERLAPPED",
        "LPCGUID" => "*constGUID",
        "UINT" => "u32",
        "void" | "VOID" if stars == 0 => "",
        "void" | "VOID" => "c_void",
        // These have the same names here: classes, records, codes, callbacks.
        other => other,
    };
    let mut rust = name.to_owned();
    for star in 0..stars {
        rust.insert_str(0, if constant && star == 0 { "*const" } else { "*mut" });
    }
    rust
}

fn squeezed(rust: &str) -> String {
    rust.split_whitespace().collect()
}

/// `GetHTTPHeader2` as `get_http_header2`.
fn snake(cpp: &str) -> String {
    let letters: Vec<char> = cpp.replace("ETag", "Etag").replace("IO", "Io").chars().collect();
    let mut name = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| letters.get(before));
        let begins = before.is_some_and(|before| !before.is_uppercase())
            || before.is_some() && letters.get(index + 1).is_some_and(|after| after.is_lowercase());
        if letter.is_uppercase() && begins {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

#[test]
fn every_class_has_a_table() {
    let mut tables: Vec<&str> = CLASSES.iter().map(|facts| facts.class).collect();
    tables.sort_unstable();
    assert_eq!(tables, abi().keys().collect::<Vec<_>>());
    assert_eq!(tables.len(), 67);
}

#[test]
fn the_ids_are_those_of_the_header() {
    for (abi, facts) in pairs() {
        let iid = facts.iid.first().map(|iid| {
            let tail: String = iid.data4.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:08x}-{:04x}-{:04x}-{}-{}", iid.data1, iid.data2, iid.data3, &tail[..4], &tail[4..])
        });
        assert_eq!(abi["uuid"].as_str().map(ToOwned::to_owned), iid, "{}", facts.class);
    }
}

#[test]
fn the_bases_are_those_of_the_header() {
    let abi = abi();
    for facts in CLASSES {
        let mut expected = Vec::new();
        let mut class = facts.class;
        while let Some(base) = abi[class]["base"].as_str() {
            expected.push(base);
            class = base;
        }
        assert_eq!(facts.bases, expected, "{}", facts.class);
    }
}

#[test]
fn the_slots_are_counted_alike() {
    for (abi, facts) in pairs() {
        assert_eq!(abi["total_slots"], facts.slots, "{}", facts.class);
        let own = abi["own_slots"].as_array().map_or(0, Vec::len);
        assert_eq!(own, facts.methods.len(), "{}", facts.class);
    }
}

/// Slot for slot: the name, the types of the arguments and of the result, and whether it is const.
#[test]
fn the_methods_are_those_of_the_compiler() {
    for (abi, facts) in pairs() {
        for (own, method) in abi["own_slots"].as_array().into_iter().flatten().zip(facts.methods) {
            assert_eq!(own["slot"], method.slot, "{}::{}", facts.class, method.name);
            let said = own["sig"].as_str().unwrap_or_default();
            if said.contains('~') {
                assert_eq!(method.name, "destructor");
                continue;
            }
            let (result, name, arguments, constant) = parse(said);
            let place = format!("slot {} of {}: {said}", method.slot, facts.class);
            assert_eq!(squeezed(method.result), rust_type(&result), "result in {place}");
            assert_eq!(method.constant == "const", constant, "const in {place}");
            let expected: Vec<String> = arguments.iter().map(|argument| rust_type(argument)).collect();
            let found: Vec<String> = method.arguments.iter().map(|argument| squeezed(argument)).collect();
            assert_eq!(found, expected, "arguments in {place}");
            assert_eq!(method.name, snake(&name) + suffix(facts, method, &expected), "name in {place}");
            let written = parse(method.signature);
            assert_eq!((written.1, written.3), (name, constant), "the signature written for {place}");
            assert_eq!(written.2.len(), arguments.len(), "the signature written for {place}");
        }
    }
}

/// The signatures that the documentation shows, of `IWebSocketContext` as well, which `abi.json` does not have.
#[test]
fn the_written_signatures_have_the_types_of_the_rows() {
    for facts in CLASSES.iter().chain(&[IWebSocketContext::FACTS]) {
        for method in facts.methods {
            let place = format!("{}::{}", facts.class, method.name);
            let (result, _, arguments, constant) = parse(method.signature);
            assert_eq!(rust_type(&result), squeezed(method.result), "{place}");
            assert_eq!(constant, method.constant == "const", "{place}");
            let written: Vec<String> =
                arguments.iter().map(|argument| rust_type(&unnamed(argument))).collect();
            let found: Vec<String> = method.arguments.iter().map(|argument| squeezed(argument)).collect();
            assert_eq!(written, found, "{place}");
        }
    }
}

/// The type of `TYPE name`, `TYPE name = VALUE` or `TYPE name[SIZE]`.
fn unnamed(argument: &str) -> String {
    let declared = argument.split('=').next().unwrap_or_default().trim();
    let (declared, array) = declared.split_once('[').map_or((declared, ""), |(name, _)| (name, " *"));
    declared.trim_end_matches(|c: char| c.is_alphanumeric()).trim().to_owned() + array
}

/// What tells an overload from its others, by the types that tell them apart.
fn suffix(facts: &Facts, method: &Method, arguments: &[String]) -> &'static str {
    let last_of = |name: &str| method.name.starts_with(name);
    let has = |argument: &str| arguments.iter().any(|found| found == argument);
    if method.name.contains("raw_http_re") {
        return if method.constant == "mut" { "_mut" } else { "" };
    }
    if ["IHttpRequest", "IHttpResponse"].contains(&facts.class)
        && ["get_header_by", "set_header_by", "delete_header_by"].into_iter().any(last_of)
    {
        return if has("HTTP_HEADER_ID") { "_by_id" } else { "_by_name" };
    }
    if last_of("set_url_") {
        return if has("PCSTR") { "_ansi" } else { "_wide" };
    }
    if last_of("get_server_variable") {
        return if has("*mutPCSTR") { "_ansi" } else { "_wide" };
    }
    if facts.class == "IHttpRequest4" {
        return "_with_flags";
    }
    if has("PFN_ASYNC_COMPLETION") || facts.class == "IHttpContext3" && last_of("post_completion") {
        return "_with_callback";
    }
    if method.name == "enumerate" {
        return "erate"; // `enum` is a keyword.
    }
    if has("*constGUID") {
        return "_by_iid";
    }
    ""
}

#[test]
fn the_tables_of_header_names_agree_with_the_numbers() {
    use crate::codes::HTTP_HEADER_ID;
    use crate::headers::{REQUEST_HEADERS, RESPONSE_HEADERS};

    let at =
        |table: &[&'static str], id: HTTP_HEADER_ID| usize::try_from(id.0).map(|id| table[id].to_string());
    for (id, name) in [
        (HTTP_HEADER_ID::LAST_MODIFIED, "Last-Modified"),
        (HTTP_HEADER_ID::ACCEPT, "Accept"),
        (HTTP_HEADER_ID::HOST, "Host"),
        (HTTP_HEADER_ID::USER_AGENT, "User-Agent"),
    ] {
        assert_eq!(at(&REQUEST_HEADERS, id).as_deref(), Ok(name));
    }
    for (id, name) in [
        (HTTP_HEADER_ID::CACHE_CONTROL, "Cache-Control"),
        (HTTP_HEADER_ID::ACCEPT_RANGES, "Accept-Ranges"),
        (HTTP_HEADER_ID::SET_COOKIE, "Set-Cookie"),
        (HTTP_HEADER_ID::WWW_AUTHENTICATE, "WWW-Authenticate"),
    ] {
        assert_eq!(at(&RESPONSE_HEADERS, id).as_deref(), Ok(name));
    }
}
