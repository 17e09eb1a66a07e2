//! Why other servers answer otherwise.

/// Another server that the corpus is put to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// hyper, as a library.
    Hyper,
    /// nginx.
    Nginx,
    /// Apache httpd.
    Apache,
}

/// Why a server answers some cases otherwise than ours.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// Names it; no two are alike.
    pub key: &'static str,
    /// The explanation.
    pub text: &'static str,
    /// Of which servers, and the cases: their ids, or how they begin before a `*`; spaces between them.
    pub of: &'static [(Peer, &'static str)],
}

impl Reason {
    /// Whether it is about this answer.
    #[must_use]
    pub fn explains(&self, peer: Peer, id: &str) -> bool {
        let named =
            |pattern: &str| pattern.strip_suffix('*').map_or(pattern == id, |begin| id.starts_with(begin));
        self.of.iter().any(|(of, ids)| *of == peer && ids.split(' ').any(named))
    }
}

/// Every reason.
#[must_use]
pub fn reasons() -> &'static [Reason] {
    REASONS
}

const REASONS: &[Reason] = &[
    Reason {
        key: "bare-lf",
        text: "A line may end in LF alone, as RFC 9112 section 2.2 allows for request lines and fields \
                (nginx: in the chunked coding too). We refuse it: others do not see a line end there.",
        of: &[
            (
                Peer::Hyper,
                "line-bare-lf line-bare-lf-before field-bare-lf field-end-bare-lf field-end-two-lf",
            ),
            (
                Peer::Nginx,
                "line-bare-lf line-bare-lf-before field-bare-lf field-end-bare-lf field-end-two-lf \
                    chunk-data-bare-lf chunk-end-bare-lf chunk-last-bare-lf chunk-size-bare-lf \
                    chunk-trailer-bare-lf chunk-shorter-than-its-size",
            ),
        ],
    },
    Reason {
        key: "bare-lf-in-trailers",
        text: "Only CR LF CR LF ends trailers: where one of them is an LF alone, the next request is \
                taken for trailers, and is lost.",
        of: &[(Peer::Hyper, "chunk-end-bare-lf chunk-trailer-bare-lf")],
    },
    Reason {
        key: "bare-cr",
        text: "A CR at the end of a value, or before the request line, is dropped.",
        of: &[(Peer::Nginx, "field-value-with-cr-at-end line-bare-cr-before")],
    },
    Reason {
        key: "empty-lines",
        text: "RFC 9112 section 2.2 asks to skip at least one empty line before a request. They skip \
                more, we one.",
        of: &[
            (Peer::Hyper, "line-two-empty-lines-before"),
            (Peer::Nginx, "line-two-empty-lines-before"),
            (Peer::Apache, "line-two-empty-lines-before"),
        ],
    },
    Reason {
        key: "white-space-in-the-line",
        text: "RFC 9112 section 3 lets a recipient split the request line at any white space. We do \
                not.",
        of: &[(
            Peer::Nginx,
            "line-space-behind-version line-two-spaces-after-method \
                    line-two-spaces-before-version",
        )],
    },
    Reason {
        key: "version",
        text: "A version that is not spoken is taken for HTTP/1.1: RFC 9110 section 2.5 asks for that \
                where only the minor one is higher (nginx takes 1.10 for that too), Apache does it for \
                the major one too.",
        of: &[
            (Peer::Nginx, "version-1.2 version-1.10"),
            (Peer::Apache, "version-1.2 version-2.0 version-3.0"),
        ],
    },
    Reason {
        key: "http-0.9",
        text: "A line without a version is a request of HTTP/0.9, which is answered without a head. RFC \
                9110 knows it no more.",
        of: &[(Peer::Nginx, "line-no-version"), (Peer::Apache, "line-no-version")],
    },
    Reason {
        key: "target",
        text: "What RFC 3986 forbids in a path or a query is passed on, and a fragment is dropped or \
                passed on. We refuse it, except what browsers send: IIS, file systems and proxies read \
                it in different ways.",
        of: &[
            (
                Peer::Hyper,
                "origin-backslash origin-bad-escape origin-cut-escape origin-escaped-nul \
                    origin-fragment origin-fragment-in-query origin-outside-ascii \
                    origin-outside-ascii-in-query origin-quote",
            ),
            (
                Peer::Nginx,
                "origin-angle-bracket origin-backslash origin-fragment origin-fragment-in-query \
                    origin-outside-ascii origin-outside-ascii-in-query origin-quote absolute-fragment",
            ),
            (
                Peer::Apache,
                "origin-angle-bracket origin-backslash origin-outside-ascii \
                    origin-outside-ascii-in-query origin-quote",
            ),
        ],
    },
    Reason {
        key: "form-of-target",
        text: "Which form of a target goes with which method is left to the handler; Apache puts a \
                slash before a query without a path.",
        of: &[(Peer::Hyper, "asterisk-and-more asterisk-get authority-get"), (Peer::Apache, "query-only")],
    },
    Reason {
        key: "absolute-form",
        text: "Scheme, user, host and port of an absolute target are not checked, or an empty host is \
                taken.",
        of: &[
            (Peer::Hyper, "absolute-bad-port absolute-fragment absolute-other-scheme absolute-user"),
            (Peer::Nginx, "absolute-other-scheme"),
            (Peer::Apache, "absolute-no-authority absolute-one-slash"),
        ],
    },
    Reason {
        key: "connect",
        text: "CONNECT asks for a proxy, and we are none. hyper leaves it to its handler, and a 200 \
                ends HTTP on this connection; nginx says 400, Apache 405 and keeps the connection.",
        of: &[
            (Peer::Hyper, "authority-connect"),
            (Peer::Nginx, "authority-connect"),
            (Peer::Apache, "authority-connect"),
        ],
    },
    Reason {
        key: "host",
        text: "hyper leaves Host to its handler, also none or two, which RFC 9112 section 3.2 has a \
                server refuse. nginx refuses none, two, and what would be dangerous in a file name. \
                Apache does not look at it where the target is absolute.",
        of: &[
            (
                Peer::Hyper,
                "host-bad-port host-comma host-empty host-list host-no-ipv6 host-none host-only-port \
                    host-open-bracket host-outside-ascii host-path host-port-too-large host-space \
                    host-two host-two-1.0 host-two-equal host-user absolute-bad-host \
                    absolute-without-host pipeline-behind-a-fault pipeline-ends-with-a-fault",
            ),
            (
                Peer::Nginx,
                "host-bad-port host-comma host-no-ipv6 host-open-bracket host-outside-ascii \
                    host-port-too-large host-user",
            ),
            (Peer::Apache, "absolute-bad-host"),
        ],
    },
    Reason {
        key: "empty-port",
        text: "A colon without a port behind it is refused, which RFC 3986 section 3.2.3 allows.",
        of: &[(Peer::Apache, "host-empty-port")],
    },
    Reason {
        key: "methods",
        text: "Any token is a method (RFC 9110 section 9.1). nginx takes capitals, `-` and `_`; \
                Apache's handler for files takes those that it knows.",
        of: &[
            (Peer::Nginx, "line-lower-case-method line-method-of-symbols"),
            (Peer::Apache, "line-extension-method line-lower-case-method line-method-of-symbols"),
        ],
    },
    Reason { key: "asterisk", text: "`OPTIONS *` is refused.", of: &[(Peer::Nginx, "asterisk")] },
    Reason {
        key: "escapes",
        text: "By default a path with `%2f` in it is 404 (`AllowEncodedSlashes`), and one with `%00` as well.",
        of: &[(Peer::Apache, "origin-escapes origin-escaped-nul")],
    },
    Reason {
        key: "drops-fields",
        text: "A field whose name is no token, or that has no colon, is dropped and the request goes on \
                (`ignore_invalid_headers`). What another server makes of that field is how requests are \
                smuggled.",
        of: &[(
            Peer::Nginx,
            "field-name-outside-ascii field-name-quoted field-name-with-parenthesis \
                    field-no-colon",
        )],
    },
    Reason {
        key: "control-characters",
        text: "Control characters in a value are passed on, all but NUL, CR and LF. RFC 9110 section \
                5.5 lets them be refused.",
        of: &[(Peer::Nginx, "field-value-with-delete field-value-with-escape")],
    },
    Reason {
        key: "tabs",
        text: "A tab is no white space around a value, which RFC 9112 section 5.1 wants it to be.",
        of: &[(Peer::Nginx, "coding-white-space field-white-space-around-value")],
    },
    Reason {
        key: "folded",
        text: "A folded line is unfolded, which RFC 9112 section 5.2 allows.",
        of: &[(Peer::Apache, "chunk-trailer-folded field-folded field-folded-coding field-folded-with-tab")],
    },
    Reason {
        key: "length-and-coding",
        text: "The coding wins over the length, and the connection is closed, which RFC 9112 section \
                6.3 allows; Apache does the same with a coding in HTTP/1.0.",
        of: &[
            (Peer::Hyper, "coding-and-bad-length coding-and-length coding-and-length-zero length-and-coding"),
            (Peer::Apache, "coding-1.0 coding-and-length coding-and-length-zero length-and-coding"),
        ],
    },
    Reason {
        key: "equal-lengths",
        text: "Two lengths that are equal are taken for one, which RFC 9112 section 6.3 allows.",
        of: &[(Peer::Hyper, "length-twice-equal coding-underscore-is-another-field")],
    },
    Reason {
        key: "chunked-twice",
        text: "`chunked` twice is taken for once. RFC 9112 section 6.1 forbids it to senders.",
        of: &[
            (Peer::Hyper, "coding-list-twice coding-twice"),
            (Peer::Apache, "coding-list-twice coding-twice"),
        ],
    },
    Reason {
        key: "empty-list-element",
        text: "RFC 9110 section 5.6.1.2 asks to pass over empty elements of a list. We do, but not in \
                Transfer-Encoding: there it is only seen in attacks.",
        of: &[(Peer::Hyper, "coding-comma-before"), (Peer::Apache, "coding-comma-before")],
    },
    Reason {
        key: "other-codings",
        text: "A coding before `chunked` is left to the handler, which gets octets that are still \
                coded. RFC 9112 section 6.1 asks for 501.",
        of: &[
            (Peer::Hyper, "coding-gzip-chunked coding-unknown-chunked"),
            (Peer::Apache, "coding-gzip-chunked coding-unknown-chunked"),
        ],
    },
    Reason {
        key: "chunk-extensions",
        text: "Octets of a chunk extension are not looked at, as long as they end no line.",
        of: &[
            (Peer::Hyper, "chunk-extension-escape chunk-extension-nul"),
            (Peer::Nginx, "chunk-extension-escape chunk-extension-nul"),
        ],
    },
    Reason {
        key: "chunk-size-white-space",
        text: "White space behind a chunk's size is skipped also where no extension follows; nginx \
                skips what is behind it.",
        of: &[
            (Peer::Hyper, "chunk-size-space-behind"),
            (Peer::Nginx, "chunk-size-space-behind chunk-size-two-numbers"),
            (Peer::Apache, "chunk-size-space-behind"),
        ],
    },
    Reason {
        key: "chunk-size-zeros",
        text: "A chunk's size has any number of zeros before it. Ours has 16 digits at most.",
        of: &[
            (Peer::Hyper, "chunk-size-many-zeros"),
            (Peer::Nginx, "chunk-size-many-zeros"),
            (Peer::Apache, "chunk-size-many-zeros"),
        ],
    },
    Reason {
        key: "trailers",
        text: "Trailers are skipped and not looked at, however long they are; without their end, the \
                next request is taken for a part of them.",
        of: &[(
            Peer::Nginx,
            "chunk-trailer-folded chunk-trailer-no-colon chunk-trailer-no-name chunk-trailer-nul \
                    chunk-trailer-space-before-colon chunk-trailers-without-end",
        )],
    },
    Reason {
        key: "expect",
        text: "What else than `100-continue` is expected is ignored; RFC 9110 section 10.1.1 lets a \
                server say 417 or not.",
        of: &[
            (Peer::Hyper, "expect-list expect-other expect-twice"),
            (Peer::Nginx, "expect-list expect-other"),
        ],
    },
    Reason {
        key: "expect-without-a-body",
        text: "The connection is closed where a client expects `100-continue` and has no body to send.",
        of: &[(Peer::Apache, "expect-continue-without-a-body")],
    },
    Reason {
        key: "limits",
        text: "Other limits, by default: hyper's are 400 KB for a head and none for a body (its handler \
                has to have one); nginx has no limit for the number of fields; Apache takes bodies of 1 \
                GiB, counted as they come. Ours are IIS's.",
        of: &[
            (
                Peer::Hyper,
                "path-4097 query-2049 line-longer-than-a-head line-without-end field-name-too-long \
                    field-too-long body-30000001 chunk-size-2-to-the-63 chunk-size-2-to-the-64-less-1 \
                    chunk-size-beyond-the-limit length-2-to-the-63",
            ),
            (Peer::Nginx, "path-4097 query-2049 fields-101"),
            (
                Peer::Apache,
                "path-4097 query-2049 body-30000001 chunk-size-2-to-the-63 \
                    chunk-size-beyond-the-limit",
            ),
        ],
    },
    Reason {
        key: "reads-what-is-refused",
        text: "It says 413 as we do, and goes on to read the body to keep the connection.",
        of: &[(Peer::Nginx, "body-30000001")],
    },
    Reason {
        key: "status-of-a-size",
        text: "Refused too: hyper and nginx say 400 for some sizes, Apache for fields, where we say 413 \
                or 431; Apache says 413 for a chunk where we say 400.",
        of: &[
            (Peer::Hyper, "chunk-trailers-without-end"),
            (
                Peer::Nginx,
                "chunk-size-2-to-the-63 chunk-size-2-to-the-64-less-1 length-2-to-the-63 \
                    field-name-too-long field-too-long fields-without-end",
            ),
            (
                Peer::Apache,
                "chunk-extension-without-end chunk-size-2-to-the-64 length-2-to-the-63 \
                    chunk-trailers-without-end field-name-too-long field-too-long fields-101 \
                    fields-without-end",
            ),
        ],
    },
    Reason {
        key: "status-of-a-version",
        text: "Refused too, with 400. RFC 9110 section 15.6.6 has 505 for it.",
        of: &[
            (Peer::Hyper, "version-0.9 version-1.2 version-2.0 version-3.0"),
            (Peer::Nginx, "version-0.9 version-2.0-preface-behind-an-empty-line"),
            (Peer::Apache, "version-0.9 version-2.0-preface-behind-an-empty-line"),
        ],
    },
    Reason {
        key: "preface-unanswered",
        text: "What looks like the preface of HTTP/2 where only HTTP/1.1 is spoken is closed without an \
                answer.",
        of: &[(Peer::Hyper, "version-2.0-preface-behind-an-empty-line")],
    },
    Reason {
        key: "status-of-a-coding",
        text: "Refused too: 501 for whatever is not `chunked`. We say 501 for another coding, and 400 \
                for what is none, or leaves the end open.",
        of: &[(
            Peer::Nginx,
            "coding-chunked-then-identity coding-comma-before coding-comma-behind coding-empty \
                    coding-empty-and-length coding-gzip coding-identity coding-identity-and-length \
                    coding-list-twice coding-parameter coding-quoted coding-xchunked \
                    field-value-with-vertical-tab",
        )],
    },
    Reason {
        key: "status-of-expect-twice",
        text: "Refused too: a second Expect is 400.",
        of: &[(Peer::Nginx, "expect-twice")],
    },
    Reason {
        key: "no-length",
        text: "The echo module sends its answer without a length, and in HTTP/1.0 the end of the \
                connection is the end of that.",
        of: &[(Peer::Nginx, "persist-1.0-keep-alive upgrade-1.0")],
    },
    Reason {
        key: "cut-body-unanswered",
        text: "A client that is done before its body is gets no answer.",
        of: &[(Peer::Nginx, "cut-chunk-* cut-end-* cut-length-*")],
    },
    Reason {
        key: "cut-head-answered",
        text: "An incomplete head is answered with 400 once its first line is there.",
        of: &[(Peer::Apache, "cut-head-*")],
    },
];
