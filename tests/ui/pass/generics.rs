use std::fmt::Debug;
use std::future::Future;
use std::marker::PhantomData;

use bivalve::prelude::*;

trait Sink: Send + Sync + 'static {
    fn record(&self, line: &str) -> impl Future<Output = std::io::Result<()>> + Send;
}

struct Audit<'a, T, K, const N: usize>
where
    K: Debug,
{
    sink: T,
    kind: PhantomData<fn() -> &'a K>,
}

#[derive(Default)]
struct Seen<K>(PhantomData<K>);

#[bivalve::module(state = Seen<K>)]
impl<T: Sink, K, const N: usize> Module for Audit<'static, T, K, N>
where
    K: Debug + Default + Send + Sync + 'static,
{
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        let _ = self.kind;
        Ok(if N == 0 { Flow::Finish } else { Flow::Continue })
    }

    async fn on_log_request(&self, _cx: &mut Context) -> Result<Flow> {
        self.sink.record("line").await?;
        Ok(Flow::Continue)
    }
}

struct Null;

impl Sink for Null {
    async fn record(&self, _line: &str) -> std::io::Result<()> {
        Ok(())
    }
}

fn main() {
    let audit = Audit::<Null, u32, 3> { sink: Null, kind: PhantomData };
    let _: Box<dyn Module> = Box::new(audit);
}
