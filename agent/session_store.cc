// What of the sessions outlives an agent: its lease key, and a file beside the socket of each.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/sessions.h"
#include "base/log.h"
#include "model/json.h"
#include "model/json_reader.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using nlohmann::json;

namespace {

// No host is called so: pods of a namespace share what they keep, wherever they run.
const std::string kNamespace = "namespace/";
constexpr size_t kKeyFile = sizeof(wire::PublicKey) + sizeof(wire::PrivateKey);

base::Status write_secret(const std::string& path, const void* bytes, size_t size) {
  const std::string fresh = path + ".new";
  Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno("creating " + fresh);
  if (::write(fd.get(), bytes, size) != static_cast<ssize_t>(size))
    return fail_errno("writing " + fresh);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno("renaming " + fresh);
  return {};
}

base::Result<std::string> read_text(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return fail_errno("opening " + path);
  char bytes[4096];
  const ssize_t n = ::read(fd.get(), bytes, sizeof bytes);
  if (n < 0) return fail_errno("reading " + path);
  return std::string(bytes, static_cast<size_t>(n));
}

base::Result<ServedSession> read_note(const std::string& path) {
  FLEXAI_TRY_ASSIGN(const std::string text, read_text(path));
  FLEXAI_TRY_ASSIGN(const json body, model::parse_json(text));
  model::JsonReader fields(body);
  ServedSession session;
  session.run = fields.number("run", UINT64_MAX).value_or(0);
  session.pid = static_cast<pid_t>(fields.number("pid", INT32_MAX).value_or(0));
  session.start = fields.number("start", UINT64_MAX).value_or(0);
  session.since_ms = static_cast<int64_t>(fields.number("since_ms", INT64_MAX).value_or(0));
  session.host = fields.text("host", 256).value_or("");
  session.group = fields.text("group", 1024).value_or("");
  session.tenant = fields.text("tenant", 64).value_or("");
  FLEXAI_TRY(fields.finish());
  return session;
}

}  // namespace

// The same key over restarts: workers know it from their start.
base::Status Sessions::load_key() {
  const std::string path = config_.state + "/lease.key";
  auto text = read_text(path);
  if (text.ok() && text->size() == kKeyFile) {
    memcpy(keys_.public_key.data(), text->data(), sizeof keys_.public_key);
    memcpy(keys_.private_key.data(), text->data() + sizeof keys_.public_key,
           sizeof keys_.private_key);
    return {};
  }
  FLEXAI_TRY_ASSIGN(keys_, wire::make_lease_keys());
  std::byte both[kKeyFile];
  memcpy(both, keys_.public_key.data(), sizeof keys_.public_key);
  memcpy(both + sizeof keys_.public_key, keys_.private_key.data(), sizeof keys_.private_key);
  return write_secret(path, both, sizeof both);
}

base::Status Sessions::note(const ServedSession& session) {
  const json body = {{"run", session.run},      {"pid", session.pid},
                     {"start", session.start},  {"since_ms", session.since_ms},
                     {"host", session.host},    {"group", session.group},
                     {"tenant", session.tenant}};
  const std::string text = body.dump(-1, ' ', false, json::error_handler_t::replace);
  return write_secret(socket_of(session.name) + ".json", text.data(), text.size());
}

void Sessions::restore() {
  std::error_code ignored;
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(folder_, ignored))
    names.push_back(file.path().filename().string());
  for (const std::string& file : names)
    if (file.size() == 37 && file.substr(32) == ".json" && is_name(file.substr(0, 32)))
      restore_one(file.substr(0, 32));
  // Sockets of sessions that are not there any more.
  for (const std::string& file : names) {
    const std::string name = file.substr(0, 32);
    const bool socket = is_name(file) || (is_name(name) && file.substr(32) == ".orders");
    if (socket && sessions_.count(name) == 0) ::unlink((folder_ + "/" + file).c_str());
    if (is_name(name) && file.substr(32) == ".home" && sessions_.count(name) == 0)
      homes_->drop_throw_away(folder_ + "/" + file);
  }
  restore_doors();
}

void Sessions::restore_one(const std::string& name) {
  const std::string path = socket_of(name) + ".json";
  auto session = read_note(path);
  Run* run = session.ok() ? runs_->by_id(session->run) : nullptr;
  auto pidfd = session.ok() ? open_pidfd(session->pid) : base::Result<Fd>(session.error());
  auto stat = session.ok() ? read_stat(session->pid) : base::Result<ProcessStat>(session.error());
  const bool lives =
      pidfd.ok() && stat.ok() && stat->start == session->start && !has_ended(pidfd->get());
  if (lives && run == nullptr) [[maybe_unused]]
    auto killed = kill_process(pidfd->get(), SIGKILL);
  if (!lives || run == nullptr) {
    ::unlink(path.c_str());
    if (session.ok()) drop_group(session->group);
    return;
  }
  session->name = name;
  session->socket = socket_for(*run, name, session->host.empty() ? SOCK_STREAM : SOCK_SEQPACKET);
  session->pidfd = std::move(*pidfd);
  run->sessions += 1;
  if (!session->tenant.empty()) homes_->count(session->tenant);
  sessions_.emplace(name, std::move(*session));
  watch_end(name);
}

// The tenant's folder, or, where that has no room, one for this session alone.
base::Status Sessions::give_home(const Run& run, ServedSession& session, WorkerStart& start) {
  if (config_.tenant_cache != 0) {
    FLEXAI_TRY_ASSIGN(session.tenant,
                      run.stored.claim.empty()
                          ? tenant_name(run.stored.uid, run.stored.host)
                          : tenant_name(run.stored.uid, kNamespace + run.stored.tenant));
    auto home = homes_->enter(session.tenant);
    if (home.ok()) {
      start.home = std::move(*home);
    } else {
      session.tenant.clear();
      base::log(base::Level::kWarn, "sessions", "nothing is kept of what is built",
                {{"session", session.name}, {"why", home.error().message}});
    }
  }
  if (!start.home.valid()) {
    FLEXAI_TRY_ASSIGN(start.home, homes_->make_throw_away(home_of(session.name)));
  }
  start.hide = config_.state;
  start.keep = session.tenant.empty() ? 0 : config_.tenant_cache / 2;
  // Where drivers and their compilers put what they keep, and what they need for a moment.
  const std::string home = kWorkerHome;
  start.environment.push_back({"HOME", home, "set"});
  start.environment.push_back({"XDG_CACHE_HOME", home + "/driver", "set"});
  start.environment.push_back({"TMPDIR", home + "/tmp", "set"});
  return {};
}

void Sessions::take_home(const ServedSession& session) {
  if (session.tenant.empty()) return homes_->drop_throw_away(home_of(session.name));
  homes_->leave(session.tenant);
}

void Sessions::restore_doors() {
  for (auto& [id, run] : runs_->all()) {
    const std::string path = door_of(*run);
    if (::access(path.c_str(), F_OK) != 0) continue;
    auto opened = open_door(run.get());
    if (!opened.ok())
      base::log(base::Level::kError, "sessions", "door not opened again",
                {{"why", opened.error().message}});
  }
}

}  // namespace flexai::agent
