//! Calls inside calls.

use bivalve::prelude::*;
use bivalve::{ChildRequest, CustomNotification};

/// Flushes in its own event, with state before and after, and is called again inside.
#[derive(Debug)]
pub struct FlushesInside;

/// What it counts.
#[derive(Default)]
struct Count {
    sent: u32,
}

#[bivalve::module(state = Count)]
impl Module for FlushesInside {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.state_mut::<Count>().sent += 100;
        cx.write("first ").await?;
        cx.flush().await?;
        cx.state_mut::<Count>().sent += 100;
        cx.write("second ").await?;
        cx.flush().await?;
        let count = cx.state::<Count>().sent;
        cx.write(format!("counted {count}")).await?;
        Ok(Flow::Finish)
    }

    fn on_send_response(&self, cx: &mut Context, _sending: &mut Sending) -> Result<Flow> {
        cx.state_mut::<Count>().sent += 1;
        Ok(Flow::Continue)
    }
}

/// Maps paths, and changes what they map to.
#[derive(Debug)]
pub struct MapsPaths;

#[bivalve::module]
impl Module for MapsPaths {
    fn on_authorize_request(&self, cx: &mut Context) -> Result<Flow> {
        let mapped = ["/a/b.txt", "/special"].map(|url| {
            cx.map_path(url).map_or_else(|error| error.to_string(), |path| path.display().to_string())
        });
        let ends = mapped.map(|path| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned());
        cx.response_mut().set_header("x-mapped", &ends.join("|"))?;
        Ok(Flow::Continue)
    }

    fn on_map_path(&self, _cx: &mut Context, mapping: &mut PathMapping) -> Result<Flow> {
        if mapping.url() == "/special" {
            let changed = mapping.physical_path().with_file_name("changed");
            mapping.set_physical_path(changed);
        }
        Ok(Flow::Continue)
    }
}

/// Raises a custom notification, and answers it.
#[derive(Debug)]
pub struct Notifies;

#[bivalve::module]
impl Module for Notifies {
    async fn on_authorize_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.response_mut().set_header("x-question", "asked")?;
        let mut custom = CustomNotification::new("probe/question");
        cx.notify_custom(&mut custom).await?;
        let answer = cx.response().headers().get("x-custom").cloned();
        cx.response_mut()
            .headers_mut()
            .insert("x-heard", answer.unwrap_or(HeaderValue::from_static("nothing")));
        Ok(Flow::Continue)
    }

    fn on_custom_request_notification(
        &self,
        cx: &mut Context,
        custom: &mut CustomNotification,
    ) -> Result<Flow> {
        let asked = cx.response().headers().contains_key("x-question");
        let id = format!("{} {asked}", custom.unique_id());
        cx.response_mut().set_header("x-custom", &id)?;
        Ok(Flow::Continue)
    }
}

/// Asks its own server, and answers with the answer.
#[derive(Debug)]
pub struct AsksItself;

#[bivalve::module]
impl Module for AsksItself {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        if cx.child_depth() > 0 {
            cx.response_mut().set_header("x-child", "yes")?;
            cx.response_mut().write("from the child")?;
            return Ok(Flow::Finish);
        }
        let answer = cx.execute_request(ChildRequest::get("/child")?).await?;
        let child = answer.headers().contains_key("x-child");
        let text = format!("{} {child} ", answer.status().as_u16());
        cx.response_mut().write(text)?;
        cx.response_mut().write(answer.bytes().unwrap_or_default())?;
        Ok(Flow::Finish)
    }
}

/// Waits in the explicit form: somebody posts, and the module hears bytes and status.
#[derive(Debug)]
pub struct Completes;

#[bivalve::module]
impl Module for Completes {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let handle = cx.completion_handle();
        std::thread::spawn(move || handle.post_completion(42));
        Ok(Flow::Pending)
    }

    fn on_async_completion(&self, cx: &mut Context, done: CompletionInfo) -> Result<Flow> {
        let text = format!("{} {} bytes", done.event(), done.completion().bytes());
        cx.response_mut().set_header("x-completed", &text)?;
        Ok(Flow::Continue)
    }
}

/// Reads inside a custom notification, where a guard fails, and looks away.
#[derive(Debug)]
pub struct LooksAway;

#[bivalve::module]
impl Module for LooksAway {
    async fn on_authorize_request(&self, cx: &mut Context) -> Result<Flow> {
        let mut custom = CustomNotification::new("probe/read");
        let agreed = cx.notify_custom(&mut custom).await.is_ok();
        cx.response_mut().set_header("www-authenticate", if agreed { "agreed" } else { "not agreed" })?;
        cx.write("nobody reads this where the guard has failed").await?;
        Ok(Flow::Continue)
    }

    async fn on_custom_request_notification(
        &self,
        cx: &mut Context,
        _custom: &mut CustomNotification,
    ) -> Result<Flow> {
        let refused = cx.read_entity(16).await.is_err();
        cx.response_mut().set_header("vary", if refused { "refused" } else { "read" })?;
        Ok(Flow::Continue)
    }

    fn on_read_entity(&self, _cx: &mut Context, entity: &mut EntityRead) -> Result<Flow> {
        if entity.is_end() { Ok(Flow::Continue) } else { Err(Error::from_status(StatusCode::FORBIDDEN)) }
    }
}

/// Asks its own server as somebody else.
#[derive(Debug)]
pub struct AsksAsAnother;

#[bivalve::module]
impl Module for AsksAsAnother {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let name = cx.user().map_or("nobody", User::name).to_owned();
        if cx.child_depth() > 0 {
            cx.response_mut().write(name)?;
            return Ok(Flow::Finish);
        }
        let own = cx.execute_request(ChildRequest::get("/child")?).await?.bytes().unwrap_or_default();
        let ada = User::new("ada", "Probe");
        let other = cx.execute_request(ChildRequest::get("/child")?.user(ada)).await?;
        cx.response_mut().write(format!("{name} "))?;
        cx.response_mut().write(own)?;
        cx.response_mut().write(" ")?;
        cx.response_mut().write(other.bytes().unwrap_or_default())?;
        Ok(Flow::Finish)
    }
}
