//! Every probe, in every host that there is.

use same_on_both::{Answer, probes, tower};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_probe_is_answered_behind_tower() {
    for case in probes::cases() {
        let seen = tower::see(&case).await;
        assert!(matches!(seen.answer, Answer::Response { .. }), "{case:?}");
    }
}
