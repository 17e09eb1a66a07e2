// The host: `host.exe CASE [MODULE]` loads the module, runs the one request of the case, and tells what happened.
//
// A case is a text: lines of a word and its value, an empty line, and a request as it is on the wire, with plain line
// ends.
//
//     module NAME       the DLL, NAME.dll in this directory; an argument after the case goes before it
//     name NAME         as what it is registered; the module's name without this
//     operations WHEN   "inline" or "later": how operations that may wait complete
//     connection none   GetConnection gives nothing, as for a request that warms the application up
//     calls off         only events and the response are told, not the module's calls

#include "provider.hpp"
#include "server.hpp"

struct Case {
    PCSTR module = nullptr;
    PCSTR name = nullptr;
    bool connected = true;
    // What is left of the text.
    PCSTR rest = nullptr;
};

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

static Case read_case(PCSTR path) {
    Case made;
    made.rest = read_file(path);
    for (;;) {
        PCSTR line = until(made.rest, '\n');
        if (*line == 0) return made;
        PCSTR word = until(line, ' ');
        if (same(word, "module")) made.module = line;
        if (same(word, "name")) made.name = line;
        if (same(word, "operations")) always_later = same(line, "later");
        if (same(word, "connection")) made.connected = !same(line, "none");
        if (same(word, "calls")) tell_calls = !same(line, "off");
    }
}

static Context *read_request(PCSTR text) {
    PCSTR line = until(text, '\n');
    PCSTR method = until(line, ' ');
    PCSTR url = until(line, ' ');
    Context *context = new Context(nullptr, method, url, length(url));
    for (;;) {
        PCSTR header = until(text, '\n');
        if (*header == 0) break;
        PCSTR name = until(header, ':');
        while (*header == ' ') ++header;
        context->request.headers.set(name, header, static_cast<USHORT>(length(header)), TRUE);
    }
    context->request.body.put(text);
    return context;
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
    ++depth;
    const HRESULT hr = entry(IIS_VERSION_10, registration, server);
    --depth;
    Text text;
    say(text.put("-> ").hex(static_cast<DWORD>(hr)));
    if (FAILED(hr)) ExitProcess(1);
}

extern "C" void start() {
    take_turn();
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
    const Case made = read_case(path);
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
    if (registered.factory != nullptr) {
        Context *context = read_request(made.rest);
        context->run();
        say("the response:");
        print(context->response.wire);
        say("\nthe end of the response");
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
