//! What a request belongs to: site, application, URL, handler mapping and metadata.

use super::cache::IHttpTokenEntry;
use super::stored::IHttpModuleContextContainer;
use crate::types::{BOOL, PCSTR, PCWSTR};
use crate::version::{IIS_7_0, IIS_8_0};

interface! {
    /// A site.
    class IHttpSite(IHttpSiteVtbl, IHttpSiteImpl);
    iid 0xeb16a6ec_ba5d_436f_bf24_3ede13906450;
    since IIS_7_0;
    slots 4;

    0 const fn get_site_id() -> u32
        = "DWORD GetSiteId() const";
    1 const fn get_site_name() -> PCWSTR
        = "PCWSTR GetSiteName() const";
    2 mut fn get_module_context_container() -> *mut IHttpModuleContextContainer
        = "IHttpModuleContextContainer * GetModuleContextContainer()";
    3 mut fn get_perf_counter_info() -> *mut IHttpPerfCounterInfo
        = "IHttpPerfCounterInfo * GetPerfCounterInfo()";
}

interface! {
    /// An application of a site.
    class IHttpApplication(IHttpApplicationVtbl, IHttpApplicationImpl);
    iid 0x3f75d9e6_1075_422c_ad89_93a85f2d7bdc;
    since IIS_7_0;
    slots 4;

    0 const fn get_application_physical_path() -> PCWSTR
        = "PCWSTR GetApplicationPhysicalPath() const";
    1 const fn get_application_id() -> PCWSTR
        = "PCWSTR GetApplicationId() const";
    2 const fn get_app_config_path() -> PCWSTR
        = "PCWSTR GetAppConfigPath() const";
    3 mut fn get_module_context_container() -> *mut IHttpModuleContextContainer
        = "IHttpModuleContextContainer * GetModuleContextContainer()";
}

interface! {
    /// An application that can be warmed up.
    class IHttpApplication2(IHttpApplication2Vtbl, IHttpApplication2Impl)
        : IHttpApplication(IHttpApplicationVtbl, IHttpApplicationImpl);
    iid 0x311a3b7a_b673_4a1c_8349_2e98a23cadcb;
    since IIS_8_0;
    slots 7;

    4 mut fn begin_application_warmup()
        = "VOID BeginApplicationWarmup()";
    5 mut fn end_application_warmup()
        = "VOID EndApplicationWarmup()";
    6 mut fn query_is_warming_up() -> BOOL
        = "BOOL QueryIsWarmingUp()";
}

interface! {
    /// Performance counters.
    class IHttpPerfCounterInfo(IHttpPerfCounterInfoVtbl, IHttpPerfCounterInfoImpl);
    iid 0xbdfc4c4a_12a4_4744_87d8_765eb320c59f;
    since IIS_7_0;
    slots 2;

    0 mut fn increment_counter(counter_index: u32, value: u32)
        = "VOID IncrementCounter(DWORD dwCounterIndex, DWORD dwValue = 1)";
    1 mut fn decrement_counter(counter_index: u32, value: u32)
        = "VOID DecrementCounter(DWORD dwCounterIndex, DWORD dwValue = 1)";
}

interface! {
    /// What IIS knows about a URL.
    class IHttpUrlInfo(IHttpUrlInfoVtbl, IHttpUrlInfoImpl);
    iid 0x7e0e6167_0094_49a1_8287_ecf6dc6e73a6;
    since IIS_7_0;
    slots 2;

    0 mut fn get_module_context_container() -> *mut IHttpModuleContextContainer
        = "IHttpModuleContextContainer * GetModuleContextContainer()";
    1 const fn is_frequently_hit() -> BOOL
        = "BOOL IsFrequentlyHit() const";
}

interface! {
    /// A handler mapping.
    class IScriptMapInfo(IScriptMapInfoVtbl, IScriptMapInfoImpl);
    iid 0xd7fe3d77_68bc_4d4a_851f_eec9fb68017c;
    since IIS_7_0;
    slots 11;

    0 const fn get_path() -> PCWSTR
        = "PCWSTR GetPath() const";
    1 const fn get_allowed_verbs() -> PCSTR
        = "PCSTR GetAllowedVerbs() const";
    2 const fn get_modules(modules_len: *mut u32) -> PCWSTR
        = "PCWSTR GetModules(DWORD * pcchModules = NULL) const";
    3 const fn get_script_processor(script_processor_len: *mut u32) -> PCWSTR
        = "PCWSTR GetScriptProcessor(DWORD * pcchScriptProcessor = NULL) const";
    4 const fn get_managed_type(managed_type_len: *mut u32) -> PCWSTR
        = "PCWSTR GetManagedType(DWORD * pcchManagedType = NULL) const";
    5 const fn get_allow_path_info_for_script_mappings() -> BOOL
        = "BOOL GetAllowPathInfoForScriptMappings() const";
    6 const fn get_required_access() -> u32
        = "DWORD GetRequiredAccess() const";
    7 const fn get_resource_type() -> u32
        = "DWORD GetResourceType() const";
    8 const fn get_is_star_script_map() -> BOOL
        = "BOOL GetIsStarScriptMap() const";
    9 const fn get_response_buffer_limit() -> u32
        = "DWORD GetResponseBufferLimit() const";
    10 const fn get_name() -> PCWSTR
        = "PCWSTR GetName() const";
}

interface! {
    /// The configuration path that a URL leads to.
    class IMetadataInfo(IMetadataInfoVtbl, IMetadataInfoImpl);
    iid 0x48b10633_825d_495e_93b0_225380053e8e;
    since IIS_7_0;
    slots 4;

    0 const fn get_meta_path() -> PCWSTR
        = "PCWSTR GetMetaPath() const";
    1 const fn get_vr_path() -> PCWSTR
        = "PCWSTR GetVrPath() const";
    2 mut fn get_vr_token() -> *mut IHttpTokenEntry
        = "IHttpTokenEntry * GetVrToken()";
    3 mut fn get_module_context_container() -> *mut IHttpModuleContextContainer
        = "IHttpModuleContextContainer * GetModuleContextContainer()";
}

interface! {
    /// Metadata that the caller holds a reference to.
    class IReferencedMetadataInfo(IReferencedMetadataInfoVtbl, IReferencedMetadataInfoImpl)
        : IMetadataInfo(IMetadataInfoVtbl, IMetadataInfoImpl);
    iid 0x3fc5c336_9ad7_45ea_af2f_31b59302c9fe;
    since IIS_8_0;
    slots 6;

    4 mut fn reference_metadata()
        = "VOID ReferenceMetadata()";
    5 mut fn dereference_metadata()
        = "VOID DereferenceMetadata()";
}
