//! Two modules in one DLL for IIS: `cargo build -p iis-modules --release`.
//!
//! On Windows register it as an administrator, under each name that is to run:
//!
//! ```text
//! %windir%\system32\inetsrv\appcmd install module /name:HelloWorld /image:C:\modules\iis_modules.dll /preCondition:bitness64
//! ```
//!
//! The modules themselves know nothing of IIS: `HelloWorld` is the one of `examples/hello-world`.

use std::time::Duration;

use bivalve::prelude::*;
use hello_world::HelloWorld;

/// Lets every answer wait for a moment, without a thread of IIS.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience;

#[bivalve::module]
impl Module for Patience {
    async fn on_pre_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        cx.response_mut().set_header("x-patience", "20 ms")?;
        Ok(Flow::Continue)
    }
}

bivalve::iis::export_modules! {
    "HelloWorld" => HelloWorld,
    "Patience" => Patience,
}
