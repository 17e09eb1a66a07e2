//! The list of cases, as a macro: one test each in the crate of a driver.

/// `bivalve_conformance::suite!(BACKEND);` is one test per case, in a module per subject. `BACKEND` is a constant.
#[macro_export]
macro_rules! suite {
    ($backend:path) => {
        $crate::group!($backend, files:
            a_write_reads_back,
            a_read_appends_to_its_buffer,
            a_read_at_the_end_is_zero_bytes,
            an_empty_write_is_zero_bytes,
            a_read_without_room_is_refused,
        );
        $crate::group!($backend, streams:
            receive_appends_what_comes,
            a_peer_that_has_finished_is_zero_bytes,
            large a_large_send_arrives_whole_and_in_order,
        );
        $crate::group!($backend, basics:
            a_post_reports_its_bytes,
            a_timer_completes,
        );
    };
}

/// The tests of one subject.
#[doc(hidden)]
#[macro_export]
macro_rules! group {
    ($backend:path, $group:ident: $($cases:tt)*) => {
        mod $group {
            #[allow(unused_imports, reason = "the backend may be named by a path from the crate")]
            use super::*;
            $crate::case!($backend, $group: $($cases)*);
        }
    };
}

/// The tests of one subject, one by one.
#[doc(hidden)]
#[macro_export]
macro_rules! case {
    ($backend:path, $group:ident:) => {};
    ($backend:path, $group:ident: $(#[$meta:meta])* large $case:ident, $($rest:tt)*) => {
        $(#[$meta])*
        #[test]
        fn $case() {
            let name = concat!(stringify!($group), "::", stringify!($case));
            $crate::check(&$backend, name, $crate::LARGE, $crate::cases::$group::$case);
        }
        $crate::case!($backend, $group: $($rest)*);
    };
    ($backend:path, $group:ident: $(#[$meta:meta])* $case:ident, $($rest:tt)*) => {
        $(#[$meta])*
        #[test]
        fn $case() {
            let name = concat!(stringify!($group), "::", stringify!($case));
            $crate::check(&$backend, name, $crate::NORMAL, $crate::cases::$group::$case);
        }
        $crate::case!($backend, $group: $($rest)*);
    };
}
