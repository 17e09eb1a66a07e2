// The host: `host.exe CASE [MODULE]` loads the module, runs the requests of the case, and tells what happened.
//
// A case is a text: lines of a word and its value, an empty line, and requests as they are on the wire, with plain line
// ends. Between two requests, which share the connection, is a line of `=====`.
//
//     module NAME       the DLL, NAME.dll in this directory; an argument after the case goes before it
//     name NAME         as what it is registered; the module's name without this
//     operations HOW    how operations that may wait complete: "inline", "later", "elsewhere" (on a thread of the pool,
//                       when the notification waits), "early" (there too, before the call has returned), or "stuck" (the
//                       first one only when it is cancelled)
//     connection none   GetConnection gives nothing, as for a request that warms the application up
//     client WHEN       goes "before" the request, while it is "pending", while the module is "disposing", or "after" it
//     length none       of the bodies is not announced
//     body COUNT        so many bytes follow each request
//     calls off         only events and the response are told, not the module's calls
//     raw on            the calls for the raw request and response are told, too
//     waits off         that a notification waits is not told, and what ended the wait
//     sends on          what leaves is told, and when
//     patience COUNT    so many milliseconds for a module to work on a completion too early, in each call; 20 without this
//     settle COUNT      so many milliseconds for threads of the module's own, once the requests have ended

#include "provider.hpp"
#include "server.hpp"

struct Case {
    PCSTR module = nullptr;
    PCSTR name = nullptr;
    bool connected = true;
    DWORD body = 0;
    DWORD settle = 0;
    // What is left of the text.
    PCSTR rest = nullptr;
};

static DWORD number(PCSTR text) {
    DWORD value = 0;
    for (; *text >= '0' && *text <= '9'; ++text) value = value * 10 + static_cast<DWORD>(*text - '0');
    return value;
}

static PSTR read_file(PCSTR path) {
    const HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
    if (file == INVALID_HANDLE_VALUE) die("the case cannot be opened");
    Text text;
    char buffer[512];
    DWORD read = 0;
    while (ReadFile(file, buffer, sizeof(buffer), &read, nullptr) && read > 0) text.put(buffer, read);
    return kept(text.text(), text.size());
}

// The text up to the character, which is skipped.
static PSTR until(PCSTR &from, char end) {
    PCSTR start = from;
    while (*from != 0 && *from != end) ++from;
    PSTR part = kept(start, static_cast<DWORD>(from - start));
    if (*from != 0) ++from;
    return part;
}

static Operations how(PCSTR word) {
    if (same(word, "inline")) return Operations::Inline;
    if (same(word, "later")) return Operations::Later;
    if (same(word, "elsewhere")) return Operations::Elsewhere;
    if (same(word, "early")) return Operations::Early;
    if (same(word, "stuck")) return Operations::Stuck;
    die("the case wants operations that there are not");
}

static Leaving when(PCSTR word) {
    if (same(word, "before")) return Leaving::Before;
    if (same(word, "pending")) return Leaving::WhilePending;
    if (same(word, "disposing")) return Leaving::WhileDisposing;
    if (same(word, "after")) return Leaving::After;
    die("the case wants a client that there is not");
}

static Case read_case(PCSTR path) {
    Case made;
    made.rest = read_file(path);
    for (;;) {
        PCSTR line = until(made.rest, '\n');
        if (*line == 0) return made;
        PCSTR word = until(line, ' ');
        if (same(word, "module")) made.module = line;
        if (same(word, "name")) made.name = line;
        if (same(word, "operations")) operations = how(line);
        if (same(word, "connection")) made.connected = !same(line, "none");
        if (same(word, "client")) leaving = when(line);
        if (same(word, "length")) has_length = !same(line, "none");
        if (same(word, "body")) made.body = number(line);
        if (same(word, "calls")) tell_calls = !same(line, "off");
        if (same(word, "raw")) tell_raw = same(line, "on");
        if (same(word, "waits")) tell_waits = !same(line, "off");
        if (same(word, "sends")) tell_sends = same(line, "on");
        if (same(word, "patience")) patience = number(line);
        if (same(word, "settle")) made.settle = number(line);
    }
}

// The next request of a case.
static Context *read_request(Case &made) {
    PCSTR line = until(made.rest, '\n');
    PCSTR method = until(line, ' ');
    PCSTR url = until(line, ' ');
    Context *context = Context::make(nullptr, method, url, length(url));
    for (;;) {
        PCSTR header = until(made.rest, '\n');
        if (*header == 0) break;
        PCSTR name = until(header, ':');
        while (*header == ' ') ++header;
        context->request.headers.set(name, header, static_cast<USHORT>(length(header)), FALSE);
    }
    context->request.body.fill('x', made.body);
    while (*made.rest != 0) {
        PCSTR text = until(made.rest, '\n');
        if (same(text, "=====")) break;
        context->request.body.put(text);
        // The last line may have no end.
        if (made.rest[-1] == '\n') context->request.body.put("\n");
    }
    return context;
}

static void run(Case &made) {
    Context *const context = read_request(made);
    context->run();
    say("the response:");
    print(context->response.wire);
    if (context->response.reset) say("\nthe connection was reset");
    say("\nthe end of the response");
    keeper = nullptr;
    memory = nullptr;
    context->end();
}

// The words after the program's name. Paths here have no blanks in them.
static void arguments(PCSTR *first, PCSTR *second) {
    PCSTR line = GetCommandLineA();
    PCSTR words[3] = {};
    for (PCSTR &word : words) {
        while (*line == ' ') ++line;
        const bool quoted = *line == '"';
        if (quoted) ++line;
        if (*line != 0) word = until(line, quoted ? '"' : ' ');
    }
    *first = words[1];
    *second = words[2];
}

static void global_event(PCSTR name, GLOBAL_NOTIFICATION_STATUS status) {
    Text text;
    say(text.put(name).put(status == GL_NOTIFICATION_HANDLED ? " -> HANDLED" : " -> CONTINUE"));
}

static void load(PCSTR path, Registration *registration, Server *server) {
    const HANDLE library = LoadLibraryA(path);
    if (library == nullptr) die("the module cannot be loaded");
    const PFN_REGISTERMODULE entry = reinterpret_cast<PFN_REGISTERMODULE>(GetProcAddress(library, "RegisterModule"));
    if (entry == nullptr) die("the module has no RegisterModule");
    say("RegisterModule");
    ++here().depth;
    const HRESULT hr = entry(IIS_VERSION_10, registration, server);
    --here().depth;
    Text text;
    say(text.put("-> ").hex(static_cast<DWORD>(hr)));
    if (FAILED(hr)) ExitProcess(1);
}

extern "C" void start() {
    begin();
    watch();
    site = new Site();
    application = new Application();
    url_info = new UrlInfo();
    metadata = new Metadata();
    script_map = new ScriptMap();
    trace = new Trace();
    named = new Named();
    PCSTR path = nullptr;
    PCSTR module = nullptr;
    arguments(&path, &module);
    if (path == nullptr) die("usage: host.exe CASE [MODULE]");
    Case made = read_case(path);
    if (made.connected) connection = new Connection();
    Text file;
    if (module == nullptr) module = file.put(made.module).put(".dll").text();
    Registration *registration = new Registration();
    if (made.name != nullptr || made.module != nullptr) {
        registration->name = wide(made.name != nullptr ? made.name : made.module);
    }
    load(module, registration, new Server());

    CGlobalModule *const global = registered.global;
    ApplicationEvent application_event(nullptr);
    if ((registered.global_events & GL_APPLICATION_START) != 0) {
        global_event("OnGlobalApplicationStart", global->OnGlobalApplicationStart(&application_event));
    }
    if (leaving == Leaving::Before) connection->connected = FALSE;
    while (registered.factory != nullptr && *made.rest != 0) run(made);
    leaves(Leaving::After, nullptr);
    if (made.settle > 0) {
        give_turn();
        Sleep(made.settle);
        take_turn();
    }
    if (connection != nullptr) connection->container.clean_up();
    StopListening stop(nullptr);
    if ((registered.global_events & GL_STOP_LISTENING) != 0) {
        global_event("OnGlobalStopListening", global->OnGlobalStopListening(&stop));
    }
    if ((registered.global_events & GL_APPLICATION_STOP) != 0) {
        global_event("OnGlobalApplicationStop", global->OnGlobalApplicationStop(&application_event));
    }
    application->container.clean_up();
    site->container.clean_up();
    if (registered.factory != nullptr) {
        say("IHttpModuleFactory::Terminate");
        registered.factory->Terminate();
    }
    if (global != nullptr) {
        say("CGlobalModule::Terminate");
        global->Terminate();
    }
    ExitProcess(0);
}
