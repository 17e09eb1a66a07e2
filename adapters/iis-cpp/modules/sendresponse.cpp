// Looks at every send: whether the headers go with it, with which flags, and whether there are log data. It adds a
// header while that is still possible.

#include "../support/module.hpp"

class SendResponse final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        begin_text(context);
        write(context, "first\n", 6);
        DWORD sent = 0;
        context->GetResponse()->Flush(FALSE, TRUE, &sent);
        Text text;
        text.put("headers sent: ").number(context->GetResponseHeadersSent()).put("\n");
        write(context, text.put(seen.text()));
        return RQ_NOTIFICATION_FINISH_REQUEST;
    }

    REQUEST_NOTIFICATION_STATUS OnSendResponse(IHttpContext *context, ISendResponseProvider *provider) override {
        ++sends;
        const bool headers = provider->GetHeadersBeingSent();
        seen.put("send ").number(sends).put(headers ? ": headers" : ": no headers");
        const bool more = (provider->GetFlags() & HTTP_SEND_RESPONSE_FLAG_MORE_DATA) != 0;
        seen.put(more ? ", more follows\n" : ", the end\n");
        if (headers) context->GetResponse()->SetHeader("X-Sent-By", "SendResponse", 12, TRUE);
        if (provider->GetReadyToLogData() && provider->GetLogData() != nullptr) {
            // Of the one kind that there is; a port of zero is one that the log does not name.
            HTTP_LOG_FIELDS_DATA *fields = reinterpret_cast<HTTP_LOG_FIELDS_DATA *>(provider->GetLogData());
            if (fields->Base.Type == HttpLogDataTypeFields) fields->ServerPort = 8080;
            provider->SetLogData(&fields->Base);
        }
        return RQ_NOTIFICATION_CONTINUE;
    }

private:
    DWORD sends = 0;
    Text seen;
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    const HRESULT hr = registered<SendResponse>(info, global, RQ_BEGIN_REQUEST | RQ_SEND_RESPONSE);
    // Priorities of this event are backwards: FIRST is last, and the only one besides HIGH that gets log data.
    return FAILED(hr) ? hr : info->SetPriorityForRequestNotification(RQ_SEND_RESPONSE, PRIORITY_ALIAS_FIRST);
}
