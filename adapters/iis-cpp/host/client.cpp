// The client, who may go at any time.

#include "context.hpp"

static HANDLE thread = nullptr;
static Context *waiting = nullptr;

static DWORD WINAPI go(PVOID) {
    here().label = "[client] ";
    // One that goes while the module's object does is not to wait for that.
    if (leaving == Leaving::WhileDisposing) {
        connection->connected = FALSE;
        connection->container.disconnect();
        return 0;
    }
    const Turn turn;
    say("NotifyDisconnect");
    ++here().depth;
    connection->connected = FALSE;
    connection->container.disconnect();
    --here().depth;
    if (waiting != nullptr) unstick(waiting, HRESULT_FROM_WIN32(ERROR_CONNECTION_INVALID));
    return 0;
}

void leaves(Leaving when, Context *context) {
    if (leaving != when || thread != nullptr) return;
    if (connection == nullptr) die("a client that is not there cannot go");
    waiting = context;
    thread = CreateThread(nullptr, 0, &go, nullptr, 0, nullptr);
    // Then it has gone before anything else happens.
    if (when != Leaving::WhileDisposing) left();
}

void left() {
    if (thread == nullptr) return;
    give_turn();
    if (WaitForSingleObject(thread, 20000) != 0) die("NotifyDisconnect did not return within 20 s");
    take_turn();
}
