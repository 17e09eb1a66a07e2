//! Writes the code.
//!
//! ```text
//! const _: () = {
//!     trait __NotificationMethods { … }                  // what each written method must look like
//!     impl __NotificationMethods for Audit { … }         // the methods, token for token as they were written
//!     impl Module for Audit { … }                        // registration, and an Outcome around each method
//! };
//! ```
//!
//! The methods go into a trait of their own, rather than into the bodies of `Module`'s, for three reasons: the
//! compiler checks them as they are written and says so in its own words at the user's tokens (a wrong type, a
//! future that is not `Send`); `return`, `?`, `self` and attributes like `#[tracing::instrument]` mean what they
//! mean in any method; and lints treat them as methods of a trait, whose signature nobody chose.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Lifetime, Path};

use crate::args::Args;
use crate::errors::Errors;
use crate::input::{Member, ModuleImpl, parse, readable};
use crate::method::Method;
use crate::table::Entry;

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let code = match parse(item.clone(), &mut errors) {
        Ok(input) => expand_impl(&args, input, &mut errors),
        Err(error) => {
            errors.add(error);
            item
        }
    };
    let errors = errors.into_compile_errors();
    quote!(#code #errors)
}

fn expand_impl(args: &Args, input: ModuleImpl, errors: &mut Errors) -> TokenStream {
    let ModuleImpl { attrs, generics, trait_path, self_ty, members } = input;
    let (methods, rejected) = check_members(members, &readable(&self_ty), errors);
    let methods_as_traits = methods.iter().map(|method| Tokens { method, krate: &args.krate });

    let (docs, attrs): (Vec<_>, Vec<_>) = attrs.into_iter().partition(is_doc);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let declared = methods_as_traits.clone().map(Tokens::declaration);
    let written = methods_as_traits.clone().map(Tokens::as_written);
    let dispatched = methods_as_traits.clone().map(Tokens::dispatch);
    let registered = methods_as_traits.map(Tokens::registration);
    let registration = registration(args, registered);
    let krate = &args.krate;
    let global = args.global.then(|| {
        quote! {
            fn global_module(&self) -> ::core::option::Option<&dyn #krate::GlobalModule> {
                ::core::option::Option::Some(self)
            }
        }
    });
    // What cannot be a method still resolves, so that one mistake gives one error.
    let rejected = (!rejected.is_empty()).then(|| {
        quote! {
            #[allow(unused, clippy::all)]
            impl #impl_generics #self_ty #where_clause { #(#rejected)* }
        }
    });

    quote! {
        const _: () = {
            trait __NotificationMethods { #(#declared)* }

            #(#attrs)*
            impl #impl_generics __NotificationMethods for #self_ty #where_clause { #(#written)* }

            #(#docs)*
            impl #impl_generics #trait_path for #self_ty #where_clause {
                #registration
                #global
                #(#dispatched)*
            }

            #rejected
        };
    }
}

/// The notification methods, and what is none.
fn check_members(members: Vec<Member>, owner: &str, errors: &mut Errors) -> (Vec<Method>, Vec<Member>) {
    let (mut methods, mut rejected) = (Vec::<Method>::new(), Vec::new());
    for member in members {
        let written = match member {
            Member::Fn(written) => written,
            Member::Other(item) => {
                let message = format!(
                    "only notification methods stand here; move this to an inherent impl block: \
                     `impl {owner} {{ … }}`"
                );
                errors.push(&item, message);
                rejected.push(Member::Other(item));
                continue;
            }
        };
        match Method::check(written, owner, errors) {
            // Two with `#[cfg]` may be alternatives; whether they are, the compiler knows.
            Ok(method) if !is_conditional(&method) && methods.iter().any(|other| is_twin(other, &method)) => {
                errors.push(&method.written.sig.ident, format!("`{}` is written twice", method.entry.method));
            }
            Ok(method) => methods.push(method),
            Err(written) if written.body.is_some() => rejected.push(Member::Fn(written)),
            Err(_) => {}
        }
    }
    (methods, rejected)
}

fn registration(args: &Args, registered: impl Iterator<Item = TokenStream>) -> TokenStream {
    let krate = &args.krate;
    let state = args.state.as_ref().map(|state| {
        let check = quote_spanned!(here(state.span())=> per_request_state::<#state>());
        quote! {
            fn per_request_state<State>()
            where
                State: ::core::default::Default + ::core::marker::Send + ::core::marker::Sync + 'static,
            {
            }
            #check;
        }
    });
    let priority =
        args.priority.as_ref().map(|priority| quote!(.priority_everywhere(#krate::Priority::#priority)));
    let on_disconnect = args.on_disconnect.as_ref().map(|word| {
        let variant = if word == "finish" { "Finish" } else { "Cancel" };
        let variant = Ident::new(variant, word.span());
        quote!(.on_disconnect(#krate::OnDisconnect::#variant))
    });
    quote! {
        fn registration(&self) -> #krate::Registration {
            #state
            let registration = #krate::Registration::new() #priority #on_disconnect;
            #(#registered)*
            registration
        }
    }
}

/// What one method becomes.
#[derive(Clone, Copy)]
struct Tokens<'m> {
    method: &'m Method,
    krate: &'m Path,
}

impl<'m> Tokens<'m> {
    /// In the trait that says what it must look like.
    fn declaration(self) -> TokenStream {
        let Self { method, krate } = self;
        let (cfgs, name) = (self.cfgs(), self.name());
        let provider = self.provider(None);
        let answer = quote!(#krate::Result<#krate::Flow>);
        let answer = if method.is_async() {
            quote!(impl ::core::future::Future<Output = #answer> + ::core::marker::Send)
        } else {
            answer
        };
        quote! {
            #(#cfgs)*
            fn #name(&self, cx: &mut #krate::Context #provider) -> #answer;
        }
    }

    /// Its docs are where readers find them: on the method of `Module`.
    fn as_written(self) -> TokenStream {
        let written = &self.method.written;
        let attrs = written.attrs.iter().filter(|attr| !is_doc(attr));
        let function = written.without_attrs();
        quote!(#(#attrs)* #function)
    }

    /// In `Module`: the answer as it comes, or one box around the future.
    fn dispatch(self) -> TokenStream {
        let Self { method, krate } = self;
        let (cfgs, name) = (self.cfgs(), self.name());
        let docs = method.written.attrs.iter().filter(|attr| is_doc(attr));
        let argument = method.entry.provider.as_ref().map(|provider| {
            let name = format_ident!("{}", provider.name);
            quote!(, #name)
        });
        let call = quote!(<Self as __NotificationMethods>::#name(self, cx #argument));
        if method.entry.synchronous {
            let provider = self.provider(None);
            return quote! {
                #(#cfgs)*
                #(#docs)*
                fn #name(&self, cx: &mut #krate::Context #provider) -> #krate::Result<#krate::Flow> { #call }
            };
        }
        let outcome = if method.is_async() {
            quote!(Pending(::std::boxed::Box::pin(#call)))
        } else {
            quote!(Ready(#call))
        };
        // A name of its own: the impl may have an `'a`.
        let lifetime = Lifetime::new("'bivalve", Span::call_site());
        let provider = self.provider(Some(&lifetime));
        quote! {
            #(#cfgs)*
            #(#docs)*
            fn #name<#lifetime>(
                &#lifetime self,
                cx: &#lifetime mut #krate::Context
                #provider
            ) -> #krate::Outcome<#lifetime> {
                #krate::Outcome::#outcome
            }
        }
    }

    /// Its bit in the mask, and its priority.
    fn registration(self) -> TokenStream {
        let Self { method: Method { entry, priority, .. }, krate } = self;
        let Some(notification) = entry.notification else { return TokenStream::new() };
        let cfgs = self.cfgs();
        let notification = format_ident!("{notification}");
        let (on, set, synchronous) = if entry.post {
            (quote!(on_post), quote!(post_priority), quote!(post_synchronous))
        } else {
            (quote!(on), quote!(priority), quote!(synchronous))
        };
        let synchronous =
            (!self.method.is_async()).then(|| quote!(.#synchronous(#krate::Notification::#notification)));
        let priority = priority
            .as_ref()
            .map(|priority| quote!(.#set(#krate::Notification::#notification, #krate::Priority::#priority)));
        quote! {
            #(#cfgs)*
            let registration = registration.#on(#krate::Notification::#notification) #synchronous #priority;
        }
    }

    fn provider(self, lifetime: Option<&Lifetime>) -> Option<TokenStream> {
        let krate = self.krate;
        let provider = self.method.entry.provider.as_ref()?;
        let (name, ty) = (format_ident!("{}", provider.name), format_ident!("{}", provider.ty));
        let reference = (!provider.by_value).then(|| quote!(& #lifetime mut));
        Some(quote!(, #name: #reference #krate::#ty))
    }

    /// The name, placed where it was written, so that editors find their way.
    fn name(self) -> Ident {
        let Entry { method, .. } = self.method.entry;
        Ident::new(method, here(self.method.written.sig.ident.span()))
    }

    fn cfgs(self) -> Vec<&'m Attribute> {
        self.method.written.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect()
    }
}

fn is_doc(attr: &Attribute) -> bool {
    attr.path().is_ident("doc")
}

fn is_conditional(method: &Method) -> bool {
    method.written.attrs.iter().any(|attr| attr.path().is_ident("cfg"))
}

fn is_twin(one: &Method, other: &Method) -> bool {
    one.entry.method == other.entry.method && !is_conditional(one)
}

/// A place in the user's text that still counts as generated, so that no lint blames the user for it.
fn here(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}
