//! The list of cases, as a macro: one test each in the crate of a driver.

/// `bivalve_conformance::suite!(BACKEND);` is one test per case, in a module per subject. `BACKEND` is a constant.
#[macro_export]
macro_rules! suite {
    ($backend:path) => {
        $crate::group!($backend, accept_many:
            each_connection_is_an_item,
            connections_that_wait_are_items,
            a_reset_before_accept_is_survived,
            it_is_cancelled_and_a_plain_accept_goes_on,
            it_is_dropped_with_connections,
        );
        $crate::group!($backend, basics:
            a_post_reports_its_bytes,
            a_timer_completes,
        );
        $crate::group!($backend, buffers:
            a_read_buffer_is_the_same,
            a_write_buffer_is_the_same,
            chunks_are_the_same,
            a_range_is_the_same,
            a_failed_connect_has_no_handle,
        );
        $crate::group!($backend, callbacks:
            a_waker_calls_the_driver,
            a_waker_calls_the_driver_when_everything_ends,
            a_buffer_calls_the_driver_when_it_is_dropped,
            a_waker_drops_what_the_driver_gave,
        );
        $crate::group!($backend, cancel:
            every_kind_ends_when_it_is_cancelled,
            cancelling_again_is_ignored,
            a_spent_key_is_ignored,
            cancel_first_then_data,
            data_first_then_cancel,
            cancellation_races_with_data_and_loses_nothing,
            a_cancelled_accept_loses_no_connection,
            a_cancelled_send_in_the_queue_sends_nothing,
            a_cancelled_send_reports_what_left,
            timers_race_with_cancellation,
        );
        $crate::group!($backend, close:
            what_is_in_flight_ends,
            closing_is_enough,
            blocked_sends_end_with_their_handle,
            what_was_sent_before_arrives,
            outcomes_outlive_their_handle,
            handles_come_and_go,
            a_released_handle_stays_open,
            a_closed_stream_does_not_linger,
            a_stream_that_is_to_be_reset_is_reset,
        );
        $crate::group!(#[cfg(target_os = "linux")] $backend, disk:
            a_full_device_takes_nothing,
            a_disk_that_fills_up_reports_what_went_in,
        );
        $crate::group!($backend, driver_shutdown:
            every_kind_ends,
            every_kind_is_dropped_afterwards,
            what_comes_later_is_rejected,
            another_driver_ends_with_work_in_flight,
        );
        $crate::group!($backend, drops:
            every_kind_is_dropped_before_its_first_poll,
            every_kind_is_dropped_after_its_first_poll,
            every_kind_is_dropped_after_its_cancellation,
            every_kind_is_dropped_after_its_handle,
            a_receive_is_dropped_after_its_data_came,
            a_dropped_receive_takes_nothing_afterwards,
            a_dropped_receive_leaves_the_queue,
            a_dropped_accept_closes_its_connection,
            a_dropped_connect_closes_its_connection,
            a_dropped_send_ends_or_lets_the_next_one_go,
            thousands_are_dropped_at_once,
        );
        $crate::group!($backend, eager:
            a_send_leaves_unpolled,
            a_write_happens_unpolled,
            a_connect_connects_unpolled,
            a_receive_completes_unpolled,
            a_timer_runs_unpolled,
            timers_fire_by_their_time,
            a_post_completes_unpolled,
            a_shutdown_happens_unpolled,
        );
        $crate::group!(#[cfg(target_os = "linux")] $backend, exhaustion:
            large accept_many_goes_on_afterwards,
            large accept_and_connect_work_afterwards,
        );
        $crate::group!($backend, files:
            a_write_reads_back,
            a_read_appends_to_its_buffer,
            a_read_at_the_end_is_zero_bytes,
            an_empty_write_is_zero_bytes,
            a_read_without_room_is_refused,
            offsets_cross_four_gibibytes,
            a_range_beyond_the_last_offset_is_refused,
            a_file_is_used_as_it_was_opened,
            #[cfg(unix)]
            an_error_without_a_name_reports_itself,
            positioned_operations_are_independent,
            large a_large_write_is_whole,
        );
        $crate::group!($backend, handles:
            of_the_wrong_kind,
            of_a_spent_generation,
            of_nobody,
            of_another_driver,
        );
        $crate::group!($backend, large_receives:
            each_stream_gets_its_own,
            cancelled_first_they_take_nothing,
            cancelled_behind_the_data_they_lose_nothing,
            they_end_with_their_stream,
        );
        $crate::group!($backend, leases:
            a_lease_holds_what_came,
            a_lease_is_dropped_on_another_thread,
            a_lease_outlives_the_shutdown,
            a_lease_outlives_its_driver,
            detached_leases_hold_up_nobody,
            large more_leases_than_buffers_are_held,
        );
        $crate::group!(#[cfg(unix)] $backend, local:
            a_local_stream_is_a_stream,
            a_local_listener_is_a_listener,
        );
        $crate::group!($backend, order:
            a_thousand_sends_arrive_in_order,
            sends_of_every_kind_are_one_order,
            a_shutdown_waits_for_the_sends_before_it,
            a_hundred_receives_get_the_stream_in_order,
            receives_complete_in_order,
            a_blocked_stream_holds_up_nobody,
        );
        $crate::group!($backend, outstanding:
            large ten_thousand_operations_end,
            ten_thousand_operations_are_cancelled,
            the_smallest_queue_works,
        );
        $crate::group!(#[cfg(unix)] $backend, pipes:
            a_pipe_is_received_from,
            a_pipe_is_sent_into,
            a_pipe_is_received_from_as_it_comes,
            a_pipe_without_a_reader_is_broken,
            a_pipe_has_two_different_ends,
            a_waiting_pipe_is_cancelled_and_closed,
        );
        $crate::group!($backend, receive_many:
            it_ends_when_the_peer_has_finished,
            large a_slow_consumer_is_waited_for,
            it_is_cancelled_and_a_plain_receive_goes_on,
            a_receive_behind_it_waits_for_its_end,
            its_next_is_cancel_safe,
            it_is_dropped_with_items,
            it_is_dropped_and_the_stream_goes_on,
            hundreds_go_on_at_once,
        );
        $crate::group!($backend, resets:
            a_reset_ends_a_waiting_receive,
            a_reset_is_the_last_item,
            large a_reset_ends_sends,
            sends_to_a_closed_peer_end,
            a_reset_leaves_other_connections_alone,
        );
        $crate::group!($backend, sends:
            thousands_of_chunks_arrive_in_order,
            chunks_of_one_byte_arrive_in_order,
            send_file_sends_its_range,
            one_file_goes_to_many_at_once,
            an_empty_range_is_zero_bytes,
            a_file_shorter_than_its_range_is_the_end_of_file,
            nothing_follows_half_a_send,
            a_short_file_among_chunks_ends_the_send,
            a_file_that_cannot_be_read_is_an_error,
        );
        $crate::group!($backend, streams:
            connect_meets_accept,
            accept_takes_one_connection_each,
            connect_where_nobody_listens_is_refused,
            options_are_set_on_the_resource,
            receive_appends_what_comes,
            a_receive_without_room_is_refused,
            receives_of_one_byte_get_every_byte,
            a_peer_that_has_finished_is_zero_bytes,
            a_peer_that_has_finished_still_receives,
            after_shutdown_we_still_receive,
            a_send_after_shutdown_is_a_broken_pipe,
            an_empty_send_is_zero_bytes,
            large a_large_send_arrives_whole_and_in_order,
            both_directions_move_at_once,
        );
        $crate::group!($backend, threads:
            large eight_threads_submit_and_wait,
            futures_move_to_other_threads,
            cancellations_race_from_other_threads,
            everything_is_send,
            accepts_are_joined,
        );
    };
}

/// The tests of one subject.
#[doc(hidden)]
#[macro_export]
macro_rules! group {
    ($(#[$meta:meta])* $backend:path, $group:ident: $($cases:tt)*) => {
        $(#[$meta])*
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
