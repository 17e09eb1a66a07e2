//! Checks one function of the impl: is it a notification method, and is it written like one?

use proc_macro2::Span;
use quote::ToTokens;
use syn::{FnArg, Ident, Pat, PatType, Receiver, ReceiverKind, ReturnType, Safety, Signature, Type};

use crate::args::take_priority;
use crate::errors::Errors;
use crate::input::{Body, Written};
use crate::nearest::nearest_method;
use crate::table::{Entry, Provider};

/// A notification method that is written as it should be, as far as tokens can tell.
pub(crate) struct Method {
    pub(crate) entry: &'static Entry,
    /// A variant of `Priority`.
    pub(crate) priority: Option<Ident>,
    pub(crate) written: Box<Written>,
}

impl Method {
    /// The method, or what was written when it cannot be one.
    pub(crate) fn check(
        mut written: Box<Written>,
        owner: &str,
        errors: &mut Errors,
    ) -> Result<Self, Box<Written>> {
        let priority = take_priority(&mut written.attrs, errors);
        let name = &written.sig.ident;
        let text = name.to_string();
        let found = Entry::find(&text);
        if found.is_none() {
            errors.push(name, no_such_method(&text, owner));
        }
        // A misspelt method is checked as the one that was meant: all its mistakes in one go.
        let Some(entry) = found.or_else(|| Entry::find(meant(&text)?)) else { return Err(written) };
        if let (None, Some(priority)) = (entry.notification, &priority) {
            errors.push(
                priority,
                "`on_async_completion` has no priority: it runs for the event that waited, wherever that stood",
            );
        }
        let mut check = Check { entry, errors, sound: found.is_some() };
        check.qualifiers(&written.sig);
        check.inputs(&written.sig);
        check.output(&written.sig);
        if written.body.is_none() {
            check.wrong(&written.sig, format!("`{}` needs a body", entry.method));
        }
        let own_calls = written.body.as_ref().map(Body::calls_of_own_notifications).unwrap_or_default();
        for call in &own_calls {
            let message =
                "only the pipeline calls this: share code through a method of an inherent impl block";
            check.wrong(call, message);
        }
        if !own_calls.is_empty() {
            // The call resolves nowhere; without the body it is reported once.
            written.body = None;
            return Err(written);
        }
        if check.sound { Ok(Self { entry, priority, written }) } else { Err(written) }
    }

    pub(crate) fn is_async(&self) -> bool {
        self.written.sig.asyncness.is_some()
    }
}

fn no_such_method(name: &str, owner: &str) -> String {
    if name == "registration" {
        return "the registration is derived from the methods that are written; set the rest with arguments, \
                `#[bivalve::module(priority = High, on_disconnect = finish)]`, and with `#[priority(High)]` on a \
                method\n(a registration made by hand needs an impl without `#[module]`)"
            .into();
    }
    if let Some(twin) = name.strip_prefix("on_post_").map(|event| format!("on_{event}"))
        && let Some(entry) = Entry::find(&twin)
    {
        return match entry.notification {
            Some(notification) => {
                format!("{notification} has no post-notification, only `{twin}`: it is raised on demand")
            }
            None => {
                format!("`{twin}` serves post-notifications too: see `is_post_notification` of its argument")
            }
        };
    }
    match meant(name) {
        Some(guess) => format!("no notification method is called `{name}`; did you mean `{guess}`?"),
        None if looks_like_event(name) => {
            format!("no notification method is called `{name}`; the trait `Module` lists all 29 of them")
        }
        None => format!(
            "`{name}` is no notification method; move it to an inherent impl block: `impl {owner} {{ … }}`"
        ),
    }
}

/// A helper may come near to a method by accident: without the prefix, only the rest of a name counts.
fn meant(name: &str) -> Option<&'static str> {
    nearest_method(name).filter(|guess| looks_like_event(name) || guess.strip_prefix("on_") == Some(name))
}

fn looks_like_event(name: &str) -> bool {
    name.starts_with("on_") || name.starts_with("On")
}

struct Check<'e> {
    entry: &'static Entry,
    errors: &'e mut Errors,
    sound: bool,
}

impl Check<'_> {
    fn qualifiers(&mut self, sig: &Signature) {
        let method = self.entry.method;
        if let Some(asyncness) = &sig.asyncness
            && self.entry.synchronous
        {
            self.wrong(asyncness, format!("`{method}` is synchronous, as in IIS: remove `async`"));
        }
        if let Some(constness) = &sig.constness {
            self.wrong(constness, format!("`{method}` is called at run time: remove `const`"));
        }
        if let Safety::Unsafe(unsafety) = &sig.safety {
            self.wrong(unsafety, format!("the pipeline calls `{method}` from safe code: remove `unsafe`"));
        }
        if let Some(abi) = &sig.abi {
            self.wrong(abi, format!("the pipeline calls `{method}` as Rust: remove `extern`"));
        }
        if !sig.generics.params.is_empty() {
            self.wrong(
                &sig.generics.params,
                format!(
                    "`{method}` takes no parameters of its own: the pipeline calls it through `dyn Module`; \
                     leave lifetimes out, and put types on the impl"
                ),
            );
        } else if let Some(clause) = &sig.generics.where_clause {
            self.wrong(clause, format!("put this on the impl: `{method}` takes no bounds of its own"));
        }
    }

    fn inputs(&mut self, sig: &Signature) {
        let mut inputs = sig.inputs.iter().peekable();
        match inputs.next_if(|input| matches!(input, FnArg::Receiver(_))) {
            Some(FnArg::Receiver(receiver)) => self.receiver(receiver),
            _ => {
                let message = format!("`{}` needs `&self`{}", self.entry.method, self.expected(sig));
                self.wrong(&sig.ident, message);
            }
        }

        let context = Provider { name: "cx", ty: "Context", by_value: false };
        let wanted: Vec<_> = [Some(&context), self.entry.provider.as_ref()].into_iter().flatten().collect();
        let given: Vec<_> = inputs
            .filter_map(|input| if let FnArg::Typed(typed) = input { Some(typed) } else { None })
            .collect();
        for surplus in given.iter().skip(wanted.len()) {
            let message = format!("`{}` takes no such argument{}", self.entry.method, self.expected(sig));
            self.wrong(surplus, message);
        }
        if given.len() < wanted.len() {
            let missing: Vec<_> =
                wanted[given.len()..].iter().map(|argument| argument.form(argument.name)).collect();
            let message =
                format!("`{}` lacks `{}`{}", self.entry.method, missing.join("` and `"), self.expected(sig));
            self.wrong_at(sig.paren_token.span.join(), message);
        }
        for (given, wanted) in given.into_iter().zip(wanted) {
            self.argument(given, wanted);
        }
    }

    fn receiver(&mut self, receiver: &Receiver) {
        if !matches!(receiver.kind, ReceiverKind::Reference(_, _, None)) {
            self.wrong(
                receiver,
                format!(
                    "`{}` takes `&self`: one instance serves all requests at once; what belongs to one \
                     request is in `cx.state_mut::<T>()`",
                    self.entry.method
                ),
            );
        }
    }

    /// Only the shape: the type may have another name here, and the compiler knows better.
    fn argument(&mut self, given: &PatType, wanted: &Provider) {
        let fits = match bare(&given.ty) {
            Type::Reference(reference) => !wanted.by_value && reference.mutability.is_some(),
            _ => wanted.by_value,
        };
        if !fits {
            let name = match &*given.pat {
                Pat::Ident(pat) => pat.ident.to_string(),
                _ => wanted.name.into(),
            };
            let how = if wanted.by_value { "by value" } else { "by mutable reference" };
            self.wrong(&given.ty, format!("write `{}`: it is passed {how}", wanted.form(&name)));
        }
    }

    fn output(&mut self, sig: &Signature) {
        let ReturnType::Type(_, ty) = &sig.output else {
            let message = format!("`{}` returns nothing{}", self.entry.method, self.expected(sig));
            return self.wrong_at(sig.paren_token.span.join(), message);
        };
        let why = match bare(ty) {
            Type::ImplTrait(_) => "write `async fn` and `-> Result<Flow>`",
            Type::Path(path) => match path.path.segments.last() {
                Some(last) if last.ident == "Flow" => "write `Result<Flow>`, so that `?` works",
                Some(last) if last.ident == "Outcome" => {
                    "write `Result<Flow>`: `#[module]` makes the `Outcome` of it"
                }
                Some(last) if ["Pin", "ModuleFuture"].iter().any(|name| last.ident == name) => {
                    "write `async fn` and `-> Result<Flow>`: `#[module]` makes the box"
                }
                _ => return,
            },
            Type::Tuple(tuple) if tuple.elems.is_empty() => "write `Result<Flow>`",
            _ => return,
        };
        self.wrong(ty, why);
    }

    fn expected(&self, sig: &Signature) -> String {
        let asyncness = if sig.asyncness.is_some() && !self.entry.synchronous { "async " } else { "" };
        format!("\nexpected `{asyncness}{}`", self.entry.signature())
    }

    fn wrong(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.sound = false;
        self.errors.push(tokens, message);
    }

    fn wrong_at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.sound = false;
        self.errors.push_at(span, message);
    }
}

/// Without the parentheses and invisible groups that macros leave.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_is_not_taken_for_a_misspelt_method() {
        for helper in ["helper", "path", "entity", "completion", "response", "log", "request"] {
            assert_eq!(meant(helper), None, "{helper}");
        }
        assert_eq!(meant("log_request"), Some("on_log_request"));
    }
}
