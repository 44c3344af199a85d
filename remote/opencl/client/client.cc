#include "remote/opencl/client/client.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remote/completions.h"
#include "remote/opencl/calls.h"
#include "remote/opencl/client/connection.h"
#include "remote/opencl/client/outgoing.h"
#include "remote/opencl/link_calls.h"
#include "remote/opencl/push.h"
#include "remote/opencl/wide/object.h"

namespace flexai::remote::opencl {

using base::MutexLock;

namespace {
constexpr int kMostCards = 64;
constexpr int kStripes = 2;            // connections for bulk data
constexpr uint16_t kGetDeviceIDs = 3;  // as the Spec numbers it
constexpr base::Nanos kGoodbye = base::kSecond / 2;
}  // namespace

Client::Client(std::string worker) : worker_(std::move(worker)) {}

const std::vector<Client*>& Client::all() {
  static const auto* made = [] {
    auto* clients = new std::vector<Client*>;
    for (std::string& worker : workers()) clients->push_back(new Client(std::move(worker)));
    wide::set_below({client_table(),
                     [](cl_device_id device) -> const void* {
                       const Device* known = opencl::get(device);
                       return known == nullptr ? nullptr : known->client;
                     },
                     true});
    return clients;
  }();
  return *made;
}

bool Client::all_there() {
  for (Client* client : all()) {
    if (client->caller() != nullptr) continue;
    for (Client* other : all()) other->leave();
    return false;
  }
  return true;
}

// Doors of several hosts have the hosts' names.
std::string Client::host() const {
  const size_t slash = worker_.rfind('/');
  return all().size() > 1 && slash != std::string::npos ? worker_.substr(slash + 1) : "";
}

std::string Client::named(const char* what) const {
  const std::string its = host();
  return "flexai: " + (its.empty() ? "" : its + ": ") + what;
}

void Client::leave() {
  if (!connected_.load(std::memory_order_acquire) || in_child() || gone_.exchange(true)) return;
  caller_->session().close(base::monotonic_now() + kGoodbye);
}

Caller* Client::caller() {
  if (connected_.load(std::memory_order_acquire)) return caller_.get();
  MutexLock lock(mutex_);
  if (!tried_) {
    tried_ = true;
    auto made = connect();
    if (!made.ok()) {
      gone_ = true;
      say(named("no card for this program: ") + made.error().message);
    } else {
      connected_.store(true, std::memory_order_release);
    }
  }
  return connected_.load(std::memory_order_relaxed) ? caller_.get() : nullptr;
}

base::Status Client::connect() {
  FLEXAI_TRY_ASSIGN(auto session,
                    connect_session(
                        worker_, [this](const base::Error& why) { on_end(why); }, whereabouts_));
  FLEXAI_TRY_ASSIGN(bulk_, wire::Bulk::make(*session, kStripes));
  FLEXAI_TRY_ASSIGN(caller_, Caller::make(std::move(session), [this](uint32_t kind, auto body) {
                      on_push(kind, body);
                    }));
  if (CallCounts* counts = shared_counts(); counts != nullptr) caller_->count_in(*counts);
  strict_ = wants_strict();
  say_goodbye_at_exit(&caller_->session());
  return {};
}

// A call without a handle, so it has to be said whom it is for.
cl_int Client::ask_devices(const std::vector<ObjectId>& ids, cl_uint* count) {
  Outgoing call(kGetDeviceIDs, this);
  call.number(cl_device_type{CL_DEVICE_TYPE_ALL});
  call.number(static_cast<cl_uint>(ids.size()));
  call.values(ids.data(), ids.size());
  call.wanted(count);
  if (const cl_int code = call.send(Mode::kAsk); code != CL_SUCCESS) return code;
  call.take(count, 1);
  return call.finish();
}

const std::vector<Device*>& Client::devices() {
  if (devices_known_.load(std::memory_order_acquire) || caller() == nullptr) return devices_;
  MutexLock lock(mutex_);
  if (devices_known_.load(std::memory_order_relaxed)) return devices_;
  std::vector<ObjectId> ids;
  for (int i = 0; i < kMostCards; ++i)
    if (auto id = ids_.take(); id.ok()) ids.push_back(*id);
  cl_uint count = 0;
  if (ask_devices(ids, &count) != CL_SUCCESS) count = 0;
  cl_ulong least = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i >= count) {
      ids_.give_back(ids[i]);
      continue;
    }
    devices_.push_back(new Device(ids[i], nullptr, this));
    const auto device = handle_of<cl_device_id>(devices_.back());
    cl_ulong bytes = 0;
    wire_clGetDeviceInfo(Mode::kAsk, device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof bytes, &bytes,
                         nullptr);
    wire_clGetDeviceInfo(Mode::kAsk, device, CL_DEVICE_TYPE, sizeof devices_.back()->type,
                         &devices_.back()->type, nullptr);
    least = least == 0 ? bytes : std::min(least, bytes);
  }
  grant_ = static_cast<int64_t>(std::min<cl_ulong>(least / 4, INT64_MAX));
  devices_known_.store(true, std::memory_order_release);
  return devices_;
}

void Client::expect(Event* event) {
  if (in_child()) return;
  hold(event);
  if (event->queue() != nullptr) event->queue()->begun.fetch_add(1, std::memory_order_relaxed);
  MutexLock lock(events_mutex_);
  events_[event->id] = event;
}

void Client::forget(Event* event) {
  if (event->queue() != nullptr) event->queue()->ended.fetch_add(1, std::memory_order_relaxed);
  if (pending(event->id, true) != nullptr) drop(event);
}

Event* Client::pending(ObjectId id, bool take) {
  if (in_child()) return nullptr;
  MutexLock lock(events_mutex_);
  auto found = events_.find(id);
  if (found == events_.end()) return nullptr;
  Event* event = found->second;
  if (take) events_.erase(found);
  return event;
}

cl_int Client::await(const std::function<bool()>& ready) {
  Caller* to = caller();
  if (to == nullptr) return kGone;
  const auto waited = to->wait(ready);
  if (waited.ok() || ready()) return CL_SUCCESS;
  lost(waited.error());
  return kGone;
}

cl_int Client::await(const Event& event) {
  return await([&event] { return event.done(); });
}

void Client::on_push(uint32_t kind, wire::Bytes body) {
  if (kind == kCompletions) return on_completions(body);
  if (kind == kReadData) return on_read(body);
  if (kind == kPrinted) return on_printed(body);
  if (kind == kContextNews) on_context_news(body);
  if (kind == kMoved) on_moved(body);
}

void Client::on_moved(wire::Bytes body) {
  wire::Reader reader(body);
  const ObjectId id = reader.handle("event");
  if (!reader.finish().ok()) return;
  if (Event* event = pending(id, false); event != nullptr)
    event->moved.store(true, std::memory_order_release);
}

void Client::on_completions(wire::Bytes body) {
  auto completions = decode_completions(body);
  if (!completions.ok()) return;
  for (const Completion& each : *completions) {
    Event* event = pending(each.event, true);
    if (event == nullptr) continue;
    event->times = each.times;
    event->finish(each.status);
    drop_later(event);
  }
}

void Client::on_read(wire::Bytes body) {
  wire::Reader reader(body);
  const ObjectId id = reader.handle("event");
  const uint64_t offset = reader.u64("offset");
  const wire::Bytes bytes = reader.raw("bytes", reader.left());
  if (!reader.ok()) return;
  if (Event* event = pending(id, false); event != nullptr) land(event->landing, offset, bytes);
}

// Where the program's own driver would have written it.
void Client::on_printed(wire::Bytes body) {
  while (!body.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, body.data(), body.size());
    if (written <= 0) return;
    body = body.subspan(static_cast<size_t>(written));
  }
}

void Client::lost(const base::Error& why) {
  if (fork_.in_child()) return;
  gone_ = true;
  // That the worker went first, at the end of the program, is nobody's trouble.
  if (!said_gone_.exchange(true) && !leaving()) say(named("the card is gone: ") + why.message);
}

void Client::on_context_news(wire::Bytes body) {
  wire::Reader reader(body);
  const ObjectId id = reader.handle("context");
  const std::string text(reader.text("text", kMostNews));
  const wire::Bytes more = reader.blob("news", kMostNews);
  if (!reader.finish().ok()) return;
  MutexLock lock(listeners_mutex_);
  if (auto found = listeners_.find(id); found != listeners_.end()) tell(found->second, text, more);
}

void Client::tell(const Listener& listener, std::string text, wire::Bytes more) {
  call_back(
      [listener, text = std::move(text), bytes = std::vector<std::byte>(more.begin(), more.end())] {
        listener.notify(text.c_str(), bytes.empty() ? nullptr : bytes.data(), bytes.size(),
                        listener.user_data);
      });
}

void Client::add_listener(ObjectId context, ContextNotify notify, void* user_data) {
  if (in_child()) return;
  MutexLock lock(listeners_mutex_);
  listeners_[context] = {notify, user_data};
}

void Client::remove_listener(ObjectId context) {
  if (in_child()) return;
  MutexLock lock(listeners_mutex_);
  listeners_.erase(context);
}

void Client::on_end(const base::Error& why) {
  lost(why);
  {
    MutexLock lock(listeners_mutex_);
    for (const auto& [context, listener] : listeners_)
      tell(listener, "the card is gone: " + why.message, {});
  }
  std::vector<Event*> left;
  {
    MutexLock lock(events_mutex_);
    for (auto& [id, event] : events_) left.push_back(event);
    events_.clear();
  }
  for (Event* event : left) {
    event->finish(kGone);
    drop_later(event);
  }
}

void Client::add_argument(const Object* object) {
  if (in_child()) return;
  MutexLock lock(arguments_mutex_);
  arguments_.insert(object);
}

void Client::remove_argument(const Object* object) {
  if (in_child()) return;
  MutexLock lock(arguments_mutex_);
  arguments_.erase(object);
}

const Object* Client::argument_at(uint64_t value) {
  if (in_child()) return nullptr;
  const auto* object = reinterpret_cast<const Object*>(value);
  MutexLock lock(arguments_mutex_);
  return arguments_.count(object) == 0 ? nullptr : object;
}

void Client::drop_later(Object* object) {
  if (in_child()) return;
  MutexLock lock(drops_mutex_);
  drops_.push_back(object);
  drops_wait_.store(true, std::memory_order_release);
}

void Client::drop_waiting() {
  if (!drops_wait_.load(std::memory_order_acquire)) return;
  std::vector<Object*> drops;
  {
    MutexLock lock(drops_mutex_);
    drops.swap(drops_);
    drops_wait_.store(false, std::memory_order_relaxed);
  }
  for (Object* object : drops) drop(object);
}

bool Client::take_grant(size_t bytes) {
  int64_t left = grant_.load(std::memory_order_relaxed);
  do {
    if (bytes > INT64_MAX || left < static_cast<int64_t>(bytes)) return false;
  } while (!grant_.compare_exchange_weak(left, left - static_cast<int64_t>(bytes)));
  return true;
}

void Client::give_grant(size_t bytes) { grant_.fetch_add(static_cast<int64_t>(bytes)); }

void Client::say(const std::string& line) {
  const char* where = secure_getenv("FLEXAI_LOG");
  if (where != nullptr && strcmp(where, "off") == 0) return;
  const bool file = where != nullptr && *where != 0 && strcmp(where, "stderr") != 0;
  const int fd = file ? ::open(where, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : 2;
  const std::string text = line + "\n";
  [[maybe_unused]] const ssize_t written = ::write(fd, text.data(), text.size());
  if (file && fd >= 0) ::close(fd);
}

}  // namespace flexai::remote::opencl
