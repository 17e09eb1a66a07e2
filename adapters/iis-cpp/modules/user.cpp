// Authenticates everybody as the same user, and looks in LogRequest who it was. The user counts its references: it is
// gone when the server has given back the one that it took over.

#include "../support/module.hpp"

class User final : public IHttpUser {
public:
    PCWSTR GetRemoteUserName() override { return L"ann@remote"; }
    PCWSTR GetUserName() override { return L"ann"; }
    PCWSTR GetAuthenticationType() override { return L"Second opinion"; }
    PCWSTR GetPassword() override { return L""; }
    HANDLE GetImpersonationToken() override { return nullptr; }
    HANDLE GetPrimaryToken() override { return nullptr; }
    VOID ReferenceUser() override { ++references; }
    VOID DereferenceUser() override {
        if (--references == 0) delete this;
    }
    BOOL SupportsIsInRole() override { return TRUE; }
    HRESULT IsInRole(PCWSTR role, BOOL *in) override {
        *in = same(role, L"staff");
        return S_OK;
    }
    PVOID GetUserVariable(PCSTR) override { return nullptr; }

private:
    // The one that SetUser takes over.
    DWORD references = 1;
};

class Authentication final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnAuthenticateRequest(IHttpContext *context,
                                                      IAuthenticationProvider *provider) override {
        before = context->GetUser() != nullptr;
        provider->SetUser(new User());
        return RQ_NOTIFICATION_CONTINUE;
    }

    REQUEST_NOTIFICATION_STATUS OnAuthorizeRequest(IHttpContext *context, IHttpEventProvider *) override {
        Text text;
        text.put(before ? "there was a user before\n" : "there was no user before\n");
        IHttpUser *user = context->GetUser();
        if (user == nullptr) return answer(context, text.put("there is none now\n"));
        BOOL staff = FALSE;
        BOOL admin = FALSE;
        user->IsInRole(L"staff", &staff);
        user->IsInRole(L"admin", &admin);
        text.put("name ").put(user->GetUserName()).put(", remote ").put(user->GetRemoteUserName());
        text.put(", by ").put(user->GetAuthenticationType()).put("\nstaff ").number(staff).put(", admin ");
        return answer(context, text.number(admin).put("\n"));
    }

private:
    bool before = false;
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<Authentication>(info, global, RQ_AUTHENTICATE_REQUEST | RQ_AUTHORIZE_REQUEST);
}
