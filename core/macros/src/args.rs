//! The arguments: `#[bivalve::module(state = Seen, priority = High, on_disconnect = finish, global, crate = path)]`.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, LitStr, Meta, Path, Token, Type, parse_quote};

use crate::errors::Errors;
use crate::nearest::nearest;

pub(crate) struct Args {
    pub(crate) state: Option<Type>,
    /// A variant of `Priority`.
    pub(crate) priority: Option<Ident>,
    /// `cancel` or `finish`.
    pub(crate) on_disconnect: Option<Ident>,
    /// The module is a `GlobalModule` as well.
    pub(crate) global: bool,
    /// Where the framework's names are found.
    pub(crate) krate: Path,
}

impl Args {
    /// Takes what is right and reports the rest.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self {
            state: None,
            priority: None,
            on_disconnect: None,
            global: false,
            krate: parse_quote!(::bivalve),
        };
        let mut seen = Vec::new();
        let all = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = args.parse_one(input, &mut seen) {
                    errors.add(error);
                    skip_to_comma(input)?;
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = all.parse2(tokens) {
            errors.add(error);
        }
        args
    }

    fn parse_one(&mut self, input: ParseStream<'_>, seen: &mut Vec<String>) -> syn::Result<()> {
        let name = input.call(Ident::parse_any)?;
        let text = name.to_string();
        let Some((_, form)) = ARGUMENTS.iter().find(|(argument, _)| *argument == text) else {
            return Err(syn::Error::new(name.span(), unknown_argument(&text)));
        };
        if text == "global" {
            self.global = true;
        } else {
            if !input.peek(Token![=]) {
                return Err(syn::Error::new(name.span(), format!("`{text}` needs a value: `{form}`")));
            }
            let equals: Token![=] = input.parse()?;
            if input.is_empty() || input.peek(Token![,]) {
                return Err(syn::Error::new(equals.span, format!("`{text}` needs a value: `{form}`")));
            }
        }
        match text.as_str() {
            "global" => {}
            "state" => self.state = Some(input.parse()?),
            "priority" => self.priority = Some(choice(input, "priority", &PRIORITIES)?),
            "on_disconnect" => self.on_disconnect = Some(choice(input, "on_disconnect", &ON_DISCONNECT)?),
            _ => self.krate = input.call(Path::parse_mod_style)?,
        }
        if !(input.is_empty() || input.peek(Token![,])) {
            return Err(input.error(format!("expected `,` after `{form}`")));
        }
        if seen.contains(&text) {
            return Err(syn::Error::new(name.span(), format!("`{text}` is given twice")));
        }
        seen.push(text);
        Ok(())
    }
}

/// Takes `#[priority(High)]` off a method's attributes.
pub(crate) fn take_priority(attrs: &mut Vec<Attribute>, errors: &mut Errors) -> Option<Ident> {
    let mut priority = None;
    for attr in attrs.extract_if(.., |attr| attr.path().is_ident("priority")) {
        let parsed = match &attr.meta {
            Meta::List(list) => {
                list.parse_args_with(|input: ParseStream<'_>| choice(input, "priority", &PRIORITIES))
            }
            _ => Err(syn::Error::new_spanned(&attr, "write `#[priority(High)]`")),
        };
        match parsed {
            Ok(_) if priority.is_some() => errors.push(&attr, "`priority` is given twice"),
            Ok(chosen) => priority = Some(chosen),
            Err(error) => errors.add(error),
        }
    }
    priority
}

/// One of a few words.
fn choice(input: ParseStream<'_>, name: &str, choices: &[&str]) -> syn::Result<Ident> {
    let listed = choices.join("`, `");
    if input.is_empty() {
        return Err(input.error(format!("`{name}` is one of `{listed}`")));
    }
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let message = format!("`{name}` is one of `{listed}`, written without quotes");
        return Err(syn::Error::new(text.span(), message));
    }
    let path = input.call(Path::parse_mod_style)?;
    if let Some(word) = path.get_ident().filter(|word| choices.iter().any(|choice| word == choice)) {
        return Ok(word.clone());
    }
    let written = path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
    let guess = nearest(&written, choices.iter().copied());
    let guess = guess.map(|guess| format!("; did you mean `{guess}`?")).unwrap_or_default();
    Err(syn::Error::new_spanned(path, format!("`{name}` is one of `{listed}`{guess}")))
}

fn unknown_argument(written: &str) -> String {
    match nearest(written, ARGUMENTS.iter().map(|(name, _)| *name)) {
        Some(name) => format!("`module` has no argument `{written}`; did you mean `{name}`?"),
        None => {
            let forms: Vec<_> = ARGUMENTS.iter().map(|(_, form)| format!("`{form}`")).collect();
            format!("`module` has no argument `{written}`; it takes {}", forms.join(", "))
        }
    }
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !(input.is_empty() || input.peek(Token![,])) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

const ARGUMENTS: [(&str, &str); 5] = [
    ("state", "state = Type"),
    ("priority", "priority = High"),
    ("on_disconnect", "on_disconnect = finish"),
    ("global", "global"),
    ("crate", "crate = path"),
];
const PRIORITIES: [&str; 5] = ["First", "High", "Medium", "Low", "Last"];
const ON_DISCONNECT: [&str; 2] = ["cancel", "finish"];

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn all_arguments_in_any_order_with_a_trailing_comma() {
        let mut errors = Errors::default();
        let tokens =
            quote!(crate = some::path, global, on_disconnect = finish, state = Map<K, V>, priority = Last,);
        let args = Args::parse(tokens, &mut errors);
        assert!(errors.into_compile_errors().is_empty());
        let (krate, state) = (&args.krate, &args.state);
        assert_eq!(quote!(#krate #state).to_string(), quote!(some::path Map<K, V>).to_string());
        assert!(args.global && args.priority.is_some_and(|word| word == "Last"));
        assert!(args.on_disconnect.is_some_and(|word| word == "finish"));
    }

    #[test]
    fn what_follows_a_mistake_still_counts() {
        let mut errors = Errors::default();
        let args =
            Args::parse(quote!(stat = A, priority = "Low", state, on_disconnect = cancel), &mut errors);
        let errors = errors.into_compile_errors().to_string();
        assert_eq!(errors.matches("compile_error").count(), 3, "{errors}");
        assert!(args.on_disconnect.is_some());
    }
}
