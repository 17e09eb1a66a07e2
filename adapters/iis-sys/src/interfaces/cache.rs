//! Output caching, and the objects that live in IIS's caches.

use crate::records::HTTP_CACHE_POLICY;
use crate::types::{BOOL, HANDLE, HRESULT, PCSTR, PCWSTR, PSID};
use crate::version::{IIS_7_0, IIS_10_0};

interface! {
    /// Whether and how a response is cached.
    class IHttpCachePolicy(IHttpCachePolicyVtbl, IHttpCachePolicyImpl);
    iid 0xcb1c40ca_70f2_41a0_add2_881f5ef57388;
    since IIS_7_0;
    slots 14;

    0 mut fn get_kernel_cache_policy() -> *mut HTTP_CACHE_POLICY
        = "HTTP_CACHE_POLICY * GetKernelCachePolicy()";
    1 mut fn set_kernel_cache_invalidator_set()
        = "VOID SetKernelCacheInvalidatorSet()";
    2 mut fn get_user_cache_policy() -> *mut HTTP_CACHE_POLICY
        = "HTTP_CACHE_POLICY * GetUserCachePolicy()";
    3 mut fn append_vary_by_header(header: PCSTR) -> HRESULT
        = "HRESULT AppendVaryByHeader(PCSTR pszHeader)";
    4 const fn get_vary_by_headers() -> PCSTR
        = "PCSTR GetVaryByHeaders() const";
    5 mut fn append_vary_by_query_string(param: PCSTR) -> HRESULT
        = "HRESULT AppendVaryByQueryString(PCSTR pszParam)";
    6 const fn get_vary_by_query_strings() -> PCSTR
        = "PCSTR GetVaryByQueryStrings() const";
    7 mut fn set_vary_by_value(value: PCSTR) -> HRESULT
        = "HRESULT SetVaryByValue(PCSTR pszValue)";
    8 const fn get_vary_by_value() -> PCSTR
        = "PCSTR GetVaryByValue() const";
    9 const fn is_user_cache_enabled() -> BOOL
        = "BOOL IsUserCacheEnabled() const";
    10 mut fn disable_user_cache()
        = "VOID DisableUserCache()";
    11 const fn is_cached() -> BOOL
        = "BOOL IsCached() const";
    12 mut fn set_is_cached()
        = "VOID SetIsCached()";
    13 const fn get_kernel_cache_invalidator_set() -> BOOL
        = "BOOL GetKernelCacheInvalidatorSet() const";
}

interface! {
    /// The cache policy, with the forced update.
    ///
    /// Its version number does not tell whether it is there: see
    /// [`MUST_BE_PROBED`](crate::version::MUST_BE_PROBED).
    class IHttpCachePolicy2(IHttpCachePolicy2Vtbl, IHttpCachePolicy2Impl)
        : IHttpCachePolicy(IHttpCachePolicyVtbl, IHttpCachePolicyImpl);
    iid 0x9f4ba807_050e_4495_ae55_8870f7e9194a;
    since IIS_10_0;
    slots 16;

    14 const fn is_force_update_set() -> BOOL
        = "BOOL IsForceUpdateSet() const";
    15 mut fn set_force_update()
        = "VOID SetForceUpdate()";
}

interface! {
    /// The key of an object in a cache. Its two comparisons are the only methods that return a C++ `bool`.
    class IHttpCacheKey(IHttpCacheKeyVtbl, IHttpCacheKeyImpl);
    iid 0xcdef2aad_20b3_4512_b1b1_094b3844aeb2;
    since IIS_7_0;
    slots 5;

    0 const fn get_hash() -> u32
        = "DWORD GetHash() const";
    1 const fn get_cache_name() -> PCWSTR
        = "PCWSTR GetCacheName() const";
    2 const fn get_is_equal(cache_compare_key: *mut IHttpCacheKey) -> bool
        = "bool GetIsEqual(IHttpCacheKey * pCacheCompareKey) const";
    3 const fn get_is_prefix(cache_compare_key: *mut IHttpCacheKey) -> bool
        = "bool GetIsPrefix(IHttpCacheKey * pCacheCompareKey) const";
    4 mut fn enumerate(cache_data: *mut IHttpCacheSpecificData)
        = "VOID Enum(IHttpCacheSpecificData * pCacheData)";
}

interface! {
    /// An object in a cache, counted by reference.
    class IHttpCacheSpecificData(IHttpCacheSpecificDataVtbl, IHttpCacheSpecificDataImpl);
    iid 0x37776aff_852e_4eec_93a5_b85a285a95b8;
    since IIS_7_0;
    slots 7;

    0 const fn get_cache_key() -> *mut IHttpCacheKey
        = "IHttpCacheKey * GetCacheKey() const";
    1 mut fn reference_cache_data()
        = "VOID ReferenceCacheData()";
    2 mut fn dereference_cache_data()
        = "VOID DereferenceCacheData()";
    3 mut fn reset_ttl()
        = "VOID ResetTTL()";
    4 mut fn decrement_ttl(ttl_expired: *mut BOOL)
        = "VOID DecrementTTL(BOOL * pfTTLExpired)";
    5 mut fn set_flushed()
        = "VOID SetFlushed()";
    6 const fn get_flushed() -> BOOL
        = "BOOL GetFlushed() const";
}

interface! {
    /// A cached logon.
    class IHttpTokenEntry(IHttpTokenEntryVtbl, IHttpTokenEntryImpl)
        : IHttpCacheSpecificData(IHttpCacheSpecificDataVtbl, IHttpCacheSpecificDataImpl);
    iid 0xfd86e6de_fb0e_47dd_820a_e0da12be46e9;
    since IIS_7_0;
    slots 10;

    7 mut fn get_impersonation_token() -> HANDLE
        = "HANDLE GetImpersonationToken()";
    8 mut fn get_primary_token() -> HANDLE
        = "HANDLE GetPrimaryToken()";
    9 mut fn get_sid() -> PSID
        = "PSID GetSid()";
}
