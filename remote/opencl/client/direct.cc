#include "remote/opencl/client/direct.h"

#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "remote/link_door.h"
#include "remote/links.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/outgoing.h"
#include "remote/opencl/link_calls.h"
#include "wire/endpoint.h"
#include "wire/hello.h"

namespace flexai::remote::opencl {

namespace {

using base::Code;
using base::fail;

constexpr std::chrono::milliseconds kFirst{1000};  // that the first to ask waits
constexpr base::Nanos kMaking = 15 * base::kSecond, kAgain = 5 * base::kSecond;
// The network that broke a link may be away for longer than the first attempts to make another.
constexpr int kQuietFailures = 2;
constexpr base::Nanos kLongestAgain = 60 * base::kSecond;

struct Pair {
  bool begun = false, done = false, given_up = false;
  std::string name;            // of the link, when it is there
  int failures = 0;            // since it was there
  base::Nanos not_before = 0;  // made anew
};

// Never destroyed: threads of ours look at it until the process is gone.
struct Pairs {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::pair<Client*, Client*>, Pair> all;
};
Pairs& pairs() {
  static Pairs* const made = new Pairs;
  return *made;
}

bool wants_direct() {
  const char* word = secure_getenv(kEnvDirect);
  return word == nullptr || strcmp(word, "off") != 0;
}

bool knows_links(Client& client) {
  Caller* caller = client.caller();
  return caller != nullptr && (caller->session().features() & kLinkFeature) != 0;
}

cl_int allow(Client& client, const wire::SharedKey& key) {
  Outgoing call(kAllowLink, &client);
  call.values(key.data(), key.size());
  return call.send(Mode::kAsk);
}

base::Result<std::string> make(Client& from, Client& to) {
  if (!knows_links(from) || !knows_links(to))
    return fail(Code::kUnsupported, "one of the two does not know how");
  FLEXAI_TRY_ASSIGN(const wire::Endpoint source, wire::parse_endpoint(from.place()));
  FLEXAI_TRY_ASSIGN(const wire::Endpoint target, wire::parse_endpoint(to.place()));
  if (source.name.empty() || target.name.empty())
    return fail(Code::kUnsupported, "both must be other hosts");
  FLEXAI_TRY_ASSIGN(const wire::SharedKey key, wire::random_key());
  FLEXAI_TRY_ASSIGN(std::string name, wire::name_of(key));
  if (allow(to, key) != CL_SUCCESS)
    return fail(Code::kUnavailable, target.place + " takes no more links");
  FLEXAI_TRY(
      ask_link(from.worker(), {source.name, to.place(), key}, base::monotonic_now() + kMaking));
  return name;
}

// Whether the user is told. What is refused is refused the next time as well; a host that does not
// answer may do so later.
bool failed(Pair& pair, Code why) {
  pair.given_up = why == Code::kUnsupported || why == Code::kDenied;
  pair.failures += 1;
  const int doublings = std::min(pair.failures - 1, 8);
  pair.not_before = base::monotonic_now() + std::min(kAgain << doublings, kLongestAgain);
  return pair.given_up || pair.failures == kQuietFailures + 1;
}

void make_apart(Client& from, Client& to) {
  std::thread([&from, &to] {
    auto made = make(from, to);
    Pairs& known = pairs();
    bool say = false;
    {
      std::lock_guard lock(known.mutex);
      Pair& pair = known.all[{&from, &to}];
      pair.done = true;
      if (made.ok()) {
        pair.name = *made;
        pair.failures = 0;
      } else {
        say = failed(pair, made.error().code);
      }
      known.changed.notify_all();
    }
    if (say && !from.gone() && !to.gone())
      from.say(from.named("bytes for ") + to.host() +
               " go through this host: " + made.error().message);
  }).detach();
}

}  // namespace

std::string direct_link(cl_command_queue from_queue, cl_command_queue to_queue) {
  const Queue *source = get(from_queue), *target = get(to_queue);
  if (source == nullptr || target == nullptr) return "";
  // Moves that wait for their bytes keep back no others only where the order is free.
  if ((target->properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) == 0) return "";
  static const bool kWanted = wants_direct();
  if (!kWanted) return "";
  Client &from = Client::of(source), &to = Client::of(target);
  if (from.gone() || to.gone() || &from == &to) return "";
  Pairs& known = pairs();
  std::unique_lock lock(known.mutex);
  Pair& pair = known.all[{&from, &to}];
  if (pair.given_up) return "";
  const bool first = !pair.begun;
  if (first || (pair.done && pair.name.empty() && base::monotonic_now() >= pair.not_before)) {
    pair.begun = true;
    pair.done = false;
    make_apart(from, to);
  }
  if (first) known.changed.wait_for(lock, kFirst, [&pair] { return pair.done; });
  return pair.name;
}

void direct_broke(cl_command_queue from, cl_command_queue to) {
  const Queue *source = get(from), *target = get(to);
  if (source == nullptr || target == nullptr) return;
  Pairs& known = pairs();
  std::lock_guard lock(known.mutex);
  Pair& pair = known.all[{&Client::of(source), &Client::of(target)}];
  pair.name.clear();
  pair.not_before = base::monotonic_now() + kAgain;
}

cl_int direct_expect(cl_command_queue queue, cl_mem buffer, size_t offset, size_t size,
                     const MoveTicket& ticket, cl_event* over) {
  Birth birth(queue, CL_COMMAND_WRITE_BUFFER, over);
  if (!birth.ok()) return birth.done(CL_SUCCESS);
  Outgoing call(kExpectMove);
  call.handle(queue);
  call.handle(buffer);
  call.number(offset);
  call.number(size);
  call.values(ticket.data(), ticket.size());
  call.id(birth.id());
  return birth.done(call.send(Mode::kTell));
}

void direct_forget(cl_command_queue queue, const MoveTicket& ticket) {
  Outgoing call(kForgetMove);
  call.handle(queue);
  call.values(ticket.data(), ticket.size());
  [[maybe_unused]] const cl_int told = call.send(Mode::kTell);
  flush_calls(get(queue));
}

cl_int direct_send(cl_command_queue queue, const DirectSend& what, cl_event* sent) {
  Birth birth(queue, CL_COMMAND_READ_BUFFER, sent);
  if (!birth.ok()) return birth.done(CL_SUCCESS);
  if (birth.event() == nullptr) return CL_INVALID_COMMAND_QUEUE;
  Landing into;
  into.at = static_cast<std::byte*>(what.into);
  into.row = into.row_pitch = into.slice_pitch = what.size;
  if (!birth.event()->expect(into)) return birth.done(CL_OUT_OF_HOST_MEMORY);
  Outgoing call(kSendMove);
  call.handle(queue);
  call.handle(what.buffer);
  call.number(what.offset);
  call.number(what.size);
  call.number(what.count);
  call.objects(what.waits, what.count);
  call.text(what.link.c_str());
  call.values(what.ticket.data(), what.ticket.size());
  call.id(birth.id());
  return birth.done(call.send(Mode::kTell));
}

bool direct_went(cl_event sent) {
  const Event* event = get(sent);
  return event != nullptr && event->moved.load(std::memory_order_acquire);
}

}  // namespace flexai::remote::opencl
