// The classes of IIS that the benchmark's modules call, slot by slot, for a compiler with the Itanium ABI.
//
// A class without a virtual destructor and without overloads has its methods in the order of declaration: so every slot
// is declared, overloads have a name each, and slots that nobody calls have a number. The real layout, by another
// compiler, is in adapters/iis-cpp; the order here is that of adapters/iis-sys.
#pragma once

#include <cstddef>
#include <cstdint>

#define SLOT(n) virtual void slot##n() = 0;

enum Status : uint32_t { CONTINUE = 0, PENDING = 1, FINISH_REQUEST = 2 };

struct DataChunk {
    uint32_t type;
    void *buffer;
    uint32_t length;
    void *rest;
};
static_assert(sizeof(DataChunk) == 32 && offsetof(DataChunk, buffer) == 8, "HTTP_DATA_CHUNK");

struct IHttpRequest {
    SLOT(0) SLOT(1)
    virtual const char *GetHeaderById(int id, uint16_t *length) const = 0;
};

struct IHttpResponse {
    SLOT(0) SLOT(1) SLOT(2) SLOT(3) SLOT(4)
    virtual int32_t SetHeaderByName(const char *name, const char *value, uint16_t length, int replace) = 0;
    SLOT(6) SLOT(7) SLOT(8) SLOT(9) SLOT(10) SLOT(11) SLOT(12) SLOT(13) SLOT(14) SLOT(15) SLOT(16) SLOT(17)
    virtual int32_t Flush(int async, int more, uint32_t *sent, int *expected) = 0;
    SLOT(19) SLOT(20)
    virtual int32_t WriteEntityChunks(
        DataChunk *chunks, uint32_t count, int async, int more, uint32_t *sent, int *expected) = 0;
};

struct IHttpContext {
    SLOT(0) SLOT(1) SLOT(2)
    virtual IHttpRequest *GetRequest() = 0;
    virtual IHttpResponse *GetResponse() = 0;
    SLOT(5) SLOT(6) SLOT(7) SLOT(8)
    virtual int32_t PostCompletion(uint32_t bytes) = 0;
    SLOT(10) SLOT(11) SLOT(12) SLOT(13) SLOT(14) SLOT(15)
    virtual int32_t GetServerVariableWide(const char *name, const char16_t **value, uint32_t *length) = 0;
};

struct IModuleAllocator {
    virtual void *AllocateMemory(uint32_t size) = 0;
};

struct CHttpModule {
    virtual Status OnBeginRequest(IHttpContext *, void *) { return CONTINUE; }
#define NOTIFICATION(n) virtual Status notification##n(IHttpContext *, void *) { return CONTINUE; }
    NOTIFICATION(1) NOTIFICATION(2) NOTIFICATION(3) NOTIFICATION(4) NOTIFICATION(5) NOTIFICATION(6)
    NOTIFICATION(7) NOTIFICATION(8) NOTIFICATION(9) NOTIFICATION(10) NOTIFICATION(11) NOTIFICATION(12)
    NOTIFICATION(13) NOTIFICATION(14) NOTIFICATION(15) NOTIFICATION(16) NOTIFICATION(17) NOTIFICATION(18)
    NOTIFICATION(19) NOTIFICATION(20) NOTIFICATION(21) NOTIFICATION(22) NOTIFICATION(23) NOTIFICATION(24)
    NOTIFICATION(25) NOTIFICATION(26) NOTIFICATION(27)
    virtual Status OnAsyncCompletion(IHttpContext *, uint32_t, int, void *, void *) { return CONTINUE; }
    virtual void Dispose() { }
    virtual void *destructor(unsigned) { return nullptr; }
};

struct IHttpModuleFactory {
    virtual int32_t GetHttpModule(CHttpModule **module, IModuleAllocator *allocator) = 0;
    virtual void Terminate() = 0;
};

struct IHttpModuleRegistrationInfo {
    virtual const char16_t *GetName() const = 0;
    SLOT(1)
    virtual int32_t SetRequestNotifications(IHttpModuleFactory *factory, uint32_t mask, uint32_t post) = 0;
};
