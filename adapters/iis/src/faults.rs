//! A panic of this crate's own, at the slot that a test names: only with the feature `faults`, and never in a release.
//!
//! A module that is registered as `Gate!CHttpModule::OnBeginRequest` is `Gate`, and the next time that somebody comes to
//! that slot of this DLL, it panics, once.

#[cfg(not(all(feature = "faults", debug_assertions)))]
pub(crate) use off::{named, reach};
#[cfg(all(feature = "faults", debug_assertions))]
pub use on::armed;
#[cfg(all(feature = "faults", debug_assertions))]
pub(crate) use on::{named, reach};

#[cfg(all(feature = "faults", debug_assertions))]
mod on {
    use std::fmt::Display;
    use std::sync::{Mutex, PoisonError};

    static ARMED: Mutex<Option<String>> = Mutex::new(None);

    /// The slot that panics next, until it has.
    #[must_use]
    pub fn armed() -> Option<String> {
        ARMED.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The module's name, of one that may name a slot as well.
    pub(crate) fn named(name: &str) -> &str {
        let Some((name, slot)) = name.split_once('!') else { return name };
        *ARMED.lock().unwrap_or_else(PoisonError::into_inner) = Some(slot.into());
        name
    }

    #[expect(clippy::panic, reason = "that is what it is for")]
    pub(crate) fn reach(slot: &dyn Display) {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        if armed.as_ref().is_some_and(|armed| *armed == slot.to_string()) {
            *armed = None;
            drop(armed);
            panic!("a fault at {slot}, as it was asked for");
        }
    }
}

#[cfg(not(all(feature = "faults", debug_assertions)))]
mod off {
    use std::fmt::Display;

    pub(crate) fn named(name: &str) -> &str {
        name
    }

    #[inline]
    pub(crate) fn reach(_: &dyn Display) {}
}

#[cfg(all(test, feature = "faults", debug_assertions))]
mod tests {
    use std::collections::BTreeSet;
    use std::ptr::null_mut;

    use bivalve_core::{CustomNotification, User};
    use bivalve_iis_sys::hresult::{E_FAIL, succeeded};
    use bivalve_iis_sys::*;

    use super::{armed, named};
    use crate::custom::Custom;
    use crate::script_map::ScriptMap;
    use crate::user;

    /// How many slots a class has, and those that were called with a panic in them.
    struct Walk {
        slots: usize,
        called: BTreeSet<&'static str>,
    }

    impl Walk {
        fn of<Vtbl>() -> Self {
            Self { slots: size_of::<Vtbl>() / size_of::<usize>(), called: BTreeSet::new() }
        }

        fn at<T>(&mut self, slot: &'static str, call: impl FnOnce() -> T) -> T {
            let _ = named(&format!("!{slot}"));
            let answer = call();
            assert_eq!(armed(), None, "nobody came by");
            self.called.insert(slot);
            answer
        }

        fn assert_complete(&self) {
            assert_eq!(self.called.len(), self.slots, "a slot without a case, besides {:?}", self.called);
        }
    }

    #[test]
    fn a_panic_in_a_slot_of_what_iis_is_given_stays_there_and_says_no() {
        // SAFETY: the objects live until the end of this test, or until their last reference is given back; texts are
        // static, or live as long as their object.
        unsafe {
            let map = ScriptMap::new("Gate");
            let map = map.as_ptr();
            let mut walk = Walk::of::<IScriptMapInfoVtbl>();
            assert_eq!(*walk.at("IScriptMapInfo::GetPath", || IScriptMapInfo::get_path(map)), 0);
            let verbs = walk.at("IScriptMapInfo::GetAllowedVerbs", || IScriptMapInfo::get_allowed_verbs(map));
            assert_eq!(*verbs, 0);
            let mut len = 7;
            let of = &raw mut len;
            assert_eq!(*walk.at("IScriptMapInfo::GetModules", || IScriptMapInfo::get_modules(map, of)), 0);
            let processor = || IScriptMapInfo::get_script_processor(map, null_mut());
            assert_eq!(*walk.at("IScriptMapInfo::GetScriptProcessor", processor), 0);
            let managed = || IScriptMapInfo::get_managed_type(map, null_mut());
            assert_eq!(*walk.at("IScriptMapInfo::GetManagedType", managed), 0);
            let path_info = || IScriptMapInfo::get_allow_path_info_for_script_mappings(map);
            assert_eq!(walk.at("IScriptMapInfo::GetAllowPathInfoForScriptMappings", path_info), 0);
            walk.at("IScriptMapInfo::GetRequiredAccess", || IScriptMapInfo::get_required_access(map));
            walk.at("IScriptMapInfo::GetResourceType", || IScriptMapInfo::get_resource_type(map));
            let star = || IScriptMapInfo::get_is_star_script_map(map);
            assert_eq!(walk.at("IScriptMapInfo::GetIsStarScriptMap", star), 0);
            let limit = || IScriptMapInfo::get_response_buffer_limit(map);
            assert_eq!(walk.at("IScriptMapInfo::GetResponseBufferLimit", limit), 0);
            assert_eq!(*walk.at("IScriptMapInfo::GetName", || IScriptMapInfo::get_name(map)), 0);
            walk.assert_complete();

            let user = user::make(User::new("anna", "Basic"));
            let mut walk = Walk::of::<IHttpUserVtbl>();
            assert_eq!(*walk.at("IHttpUser::GetRemoteUserName", || IHttpUser::get_remote_user_name(user)), 0);
            assert_eq!(*walk.at("IHttpUser::GetUserName", || IHttpUser::get_user_name(user)), 0);
            let kind = || IHttpUser::get_authentication_type(user);
            assert_eq!(*walk.at("IHttpUser::GetAuthenticationType", kind), 0);
            assert_eq!(*walk.at("IHttpUser::GetPassword", || IHttpUser::get_password(user)), 0);
            let token = || IHttpUser::get_impersonation_token(user);
            assert!(walk.at("IHttpUser::GetImpersonationToken", token).is_null());
            assert!(walk.at("IHttpUser::GetPrimaryToken", || IHttpUser::get_primary_token(user)).is_null());
            assert_eq!(walk.at("IHttpUser::SupportsIsInRole", || IHttpUser::supports_is_in_role(user)), 0);
            let (role, mut is_in) = ([0_u16], 0);
            let in_role =
                walk.at("IHttpUser::IsInRole", || IHttpUser::is_in_role(user, role.as_ptr(), &raw mut is_in));
            assert_eq!((in_role, is_in), (E_FAIL, 0));
            assert!(!succeeded(in_role));
            let variable = || IHttpUser::get_user_variable(user, c"x".as_ptr().cast());
            assert!(walk.at("IHttpUser::GetUserVariable", variable).is_null());
            // It counts, and cannot panic.
            IHttpUser::reference_user(user);
            walk.called.insert("IHttpUser::ReferenceUser");
            IHttpUser::dereference_user(user);
            // The reference is given back all the same: a sanitizer would see the leak.
            walk.at("IHttpUser::DereferenceUser", || IHttpUser::dereference_user(user));
            walk.assert_complete();

            let custom = Custom::new(CustomNotification::new("Ask"));
            let custom = custom.as_ptr();
            let mut walk = Walk::of::<ICustomNotificationProviderVtbl>();
            let kind = || ICustomNotificationProvider::query_notification_type(custom);
            assert_eq!(*walk.at("ICustomNotificationProvider::QueryNotificationType", kind), 0);
            let status = || IHttpEventProvider::set_error_status(custom.cast::<IHttpEventProvider>(), E_FAIL);
            walk.at("ICustomNotificationProvider::SetErrorStatus", status);
            walk.assert_complete();
        }
    }
}
