// What the Rust modules of src/iis/modules.rs do, as one writes it in C++ for IIS.

#include "iis.hpp"

#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <thread>

static unsigned long long allocated = 0;

// The module's own: the benchmark's allocator counts Rust's.
void *operator new(size_t size) {
    __atomic_fetch_add(&allocated, 1, __ATOMIC_RELAXED);
    return std::malloc(size);
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }

extern "C" unsigned long long Allocated() { return __atomic_load_n(&allocated, __ATOMIC_RELAXED); }

static bool is(const char16_t *name, const char *text) {
    while (*text && *name == static_cast<unsigned char>(*text)) { name++; text++; }
    return *name == 0 && *text == 0;
}

namespace {

struct Empty : CHttpModule {
    Status OnBeginRequest(IHttpContext *, void *) override { return CONTINUE; }
};

// Another value at each call, so that there is something to set.
struct Header : CHttpModule {
    unsigned calls = 0;
    Status OnBeginRequest(IHttpContext *context, void *) override {
        const char *value = (calls++ & 1) ? "odd" : "even";
        context->GetResponse()->SetHeaderByName("x-bench", value, std::strlen(value), 1);
        return CONTINUE;
    }
};

struct Read : CHttpModule {
    Status OnBeginRequest(IHttpContext *context, void *) override {
        uint16_t length = 0;
        const char *host = context->GetRequest()->GetHeaderById(28, &length);
        const char16_t *value = nullptr;
        uint32_t count = 0;
        context->GetServerVariableWide("APP_POOL_ID", &value, &count);
        return host && length == 11 && count == 14 ? CONTINUE : FINISH_REQUEST;
    }
};

struct ReadHeader : CHttpModule {
    Status OnBeginRequest(IHttpContext *context, void *) override {
        uint16_t length = 0;
        const char *host = context->GetRequest()->GetHeaderById(28, &length);
        return host && length == 11 ? CONTINUE : FINISH_REQUEST;
    }
};

struct Hello : CHttpModule {
    Status OnBeginRequest(IHttpContext *context, void *) override {
        static char text[] = "Hello World!";
        DataChunk chunk = {0, text, sizeof text - 1, nullptr};
        uint32_t sent = 0;
        context->GetResponse()->WriteEntityChunks(&chunk, 1, 0, 1, &sent, nullptr);
        return FINISH_REQUEST;
    }
};

struct State : CHttpModule {
    uint64_t seen = 0;
    Status OnBeginRequest(IHttpContext *, void *) override {
        seen++;
        return seen ? CONTINUE : FINISH_REQUEST;
    }
};

struct Flush : CHttpModule {
    Status OnBeginRequest(IHttpContext *context, void *) override {
        uint32_t sent = 0;
        int expected = 0;
        context->GetResponse()->Flush(1, 1, &sent, &expected);
        return expected ? PENDING : CONTINUE;
    }
};

// One thread that completes what it is given.
struct Worker {
    std::mutex mutex;
    std::condition_variable arrived;
    std::deque<IHttpContext *> posts;
    Worker() {
        std::thread([this] {
            for (;;) {
                std::unique_lock<std::mutex> lock(mutex);
                arrived.wait(lock, [this] { return !posts.empty(); });
                IHttpContext *context = posts.front();
                posts.pop_front();
                lock.unlock();
                context->PostCompletion(0);
            }
        }).detach();
    }
};

struct Wake : CHttpModule {
    Status OnBeginRequest(IHttpContext *context, void *) override {
        static Worker &worker = *new Worker;
        {
            std::lock_guard<std::mutex> lock(worker.mutex);
            worker.posts.push_back(context);
        }
        worker.arrived.notify_one();
        return PENDING;
    }
};

template <typename Module>
struct Factory final : IHttpModuleFactory {
    int32_t GetHttpModule(CHttpModule **module, IModuleAllocator *allocator) override {
        void *memory = allocator->AllocateMemory(sizeof(Module));
        if (!memory) return static_cast<int32_t>(0x8007000E);
        *module = new (memory) Module;
        return 0;
    }
    void Terminate() override { delete this; }
};

template <typename Module>
int32_t announce(IHttpModuleRegistrationInfo *info) {
    return info->SetRequestNotifications(new Factory<Module>, 1, 0);
}

} // namespace

extern "C" int32_t RegisterModule(uint32_t, IHttpModuleRegistrationInfo *info, void *) {
    const char16_t *name = info->GetName();
    if (is(name, "Empty")) return announce<Empty>(info);
    if (is(name, "Header")) return announce<Header>(info);
    if (is(name, "ReadHeader")) return announce<ReadHeader>(info);
    if (is(name, "Read")) return announce<Read>(info);
    if (is(name, "Hello")) return announce<Hello>(info);
    if (is(name, "State")) return announce<State>(info);
    if (is(name, "Flush")) return announce<Flush>(info);
    if (is(name, "Wake")) return announce<Wake>(info);
    return static_cast<int32_t>(0x80070490);
}
