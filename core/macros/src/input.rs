//! Reads the impl.
//!
//! Bodies are kept as they are, unparsed: the compiler reports what is wrong in them, in its own words, and a
//! half-typed body does not take the whole impl away from an editor.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{
    AttrStyle, Attribute, Generics, ImplItem, Item, ItemImpl, Path, Signature, Token, Type, Visibility,
};
use syn::{braced, token};

use crate::errors::Errors;
use crate::table::Entry;

/// `impl Module for T { … }`.
pub(crate) struct ModuleImpl {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) generics: Generics,
    /// As written, so that an import of the trait counts as used.
    pub(crate) trait_path: Path,
    pub(crate) self_ty: Type,
    pub(crate) members: Vec<Member>,
}

/// Something in the impl.
pub(crate) enum Member {
    Fn(Box<Written>),
    Other(Box<ImplItem>),
}

/// A function, as written.
pub(crate) struct Written {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// `None` where a semicolon stands.
    pub(crate) body: Option<Body>,
}

pub(crate) struct Body {
    brace: token::Brace,
    tokens: TokenStream,
}

/// Reads what stands under the attribute, or says why it does not belong there.
pub(crate) fn parse(item: TokenStream, errors: &mut Errors) -> syn::Result<ModuleImpl> {
    let (header, body) = split_body(item)?;
    let header: ItemImpl = syn::parse2(header)?;
    let Some((trait_path, _)) = header.trait_ else {
        let message = "`#[module]` goes on `impl Module for …`, and this impl has no trait";
        return Err(syn::Error::new_spanned(header.self_ty, message));
    };
    match trait_path.segments.last() {
        Some(last) if last.ident == "Module" && last.arguments.is_empty() => {}
        _ => {
            let message = format!(
                "`#[module]` goes on `impl Module for …`, and this impl is of `{}`",
                readable(&trait_path)
            );
            return Err(syn::Error::new_spanned(trait_path, message));
        }
    }
    header.modifiers.require_empty()?;
    if let Some(unsafety) = header.unsafety {
        errors.push(unsafety, "`Module` is a safe trait: remove `unsafe`");
    }

    let members = |input: ParseStream<'_>| {
        let mut attrs = input.call(Attribute::parse_inner)?;
        for attr in &mut attrs {
            attr.style = AttrStyle::Outer;
        }
        let mut members = Vec::new();
        while !input.is_empty() {
            members.push(input.parse()?);
        }
        Ok((attrs, members))
    };
    let (inner_attrs, members) = members.parse2(body)?;
    let mut attrs = header.attrs;
    attrs.extend(inner_attrs);
    Ok(ModuleImpl { attrs, generics: header.generics, trait_path, self_ty: *header.self_ty, members })
}

impl Body {
    /// Names in `self.on_begin_request(…)` and the like. The call would be ambiguous between the method as it was
    /// written and the one of `Module`, and the compiler's words for that lead nowhere.
    pub(crate) fn calls_of_own_notifications(&self) -> Vec<Ident> {
        let mut found = Vec::new();
        let mut streams = vec![self.tokens.clone()];
        while let Some(stream) = streams.pop() {
            let trees: Vec<_> = stream.into_iter().collect();
            for window in trees.windows(4) {
                if let [TokenTree::Ident(receiver), TokenTree::Punct(dot), TokenTree::Ident(name), call] =
                    window
                    && *receiver == "self"
                    && dot.as_char() == '.'
                    && matches!(call, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
                    && Entry::find(&name.to_string()).is_some()
                {
                    found.push(name.clone());
                }
            }
            streams.extend(trees.into_iter().filter_map(|tree| match tree {
                TokenTree::Group(group) => Some(group.stream()),
                _ => None,
            }));
        }
        found
    }
}

/// Tokens in the way in which people write them, for messages.
pub(crate) fn readable(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (spaced, close) in
        [(" ::", "::"), (":: ", "::"), (" <", "<"), ("< ", "<"), (" >", ">"), (" ,", ","), ("& ", "&")]
    {
        text = text.replace(spaced, close);
    }
    text
}

/// The impl with empty braces, and what stood in them.
fn split_body(item: TokenStream) -> syn::Result<(TokenStream, TokenStream)> {
    let mut trees: Vec<_> = item.clone().into_iter().collect();
    // An item that came through a `macro_rules` variable is wrapped in a group that nobody sees.
    if let [TokenTree::Group(group)] = trees.as_slice()
        && group.delimiter() == Delimiter::None
    {
        return split_body(group.stream());
    }
    if trees.iter().any(|tree| matches!(tree, TokenTree::Ident(ident) if *ident == "impl"))
        && let Some(TokenTree::Group(group)) = trees.last()
        && group.delimiter() == Delimiter::Brace
    {
        let body = group.stream();
        let mut empty = Group::new(Delimiter::Brace, TokenStream::new());
        empty.set_span(group.span());
        trees.pop();
        trees.push(empty.into());
        return Ok((trees.into_iter().collect(), body));
    }
    let message = format!("`#[module]` goes on `impl Module for …`, and this is {}", kind(item.clone()));
    Err(syn::Error::new_spanned(item, message))
}

fn kind(item: TokenStream) -> &'static str {
    match syn::parse2(item) {
        Ok(Item::Struct(_)) => "a struct",
        Ok(Item::Enum(_)) => "an enum",
        Ok(Item::Fn(_)) => "a function",
        Ok(Item::Trait(_)) => "a trait",
        Ok(Item::Mod(_)) => "a `mod`",
        _ => "something else",
    }
}

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if !starts_fn(&ahead) {
            return Ok(Self::Other(Box::new(input.parse()?)));
        }
        let attrs = input.call(Attribute::parse_outer)?;
        let (vis, sig) = (input.parse()?, input.parse()?);
        let body = if input.peek(token::Brace) {
            let content;
            let brace = braced!(content in input);
            Some(Body { brace, tokens: content.parse()? })
        } else {
            input.parse::<Token![;]>()?;
            None
        };
        Ok(Self::Fn(Box::new(Written { attrs, vis, sig, body })))
    }
}

fn starts_fn(ahead: ParseStream<'_>) -> bool {
    let ahead = ahead.fork();
    loop {
        if ahead.peek(Token![fn]) {
            return true;
        }
        let qualifier = ahead.peek(Token![const])
            || ahead.peek(Token![async])
            || ahead.peek(Token![unsafe])
            || ahead.peek(Token![extern])
            || ahead.peek(syn::LitStr);
        if !qualifier || ahead.parse::<TokenTree>().is_err() {
            return false;
        }
    }
}

impl Written {
    pub(crate) fn without_attrs(&self) -> TokenStream {
        let Self { vis, sig, body, .. } = self;
        let mut tokens = quote!(#vis #sig);
        match body {
            Some(body) => body.brace.surround(&mut tokens, |tokens| tokens.extend(body.tokens.clone())),
            None => tokens.extend(quote!(;)),
        }
        tokens
    }
}

impl ToTokens for Written {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let (attrs, function) = (&self.attrs, self.without_attrs());
        tokens.extend(quote!(#(#attrs)* #function));
    }
}

impl ToTokens for Member {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Fn(written) => written.to_tokens(tokens),
            Self::Other(item) => item.to_tokens(tokens),
        }
    }
}
