#include <poll.h>
#include <simdjson.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kube/elector.h"
#include "kube/reflector.h"
#include "test/e2e/kube/probe.h"

namespace flexai::test {
namespace {

namespace od = simdjson::ondemand;

// data.FIELD of an object; the time when we saw it is put before what is said.
base::Result<std::optional<std::string>> field_of(const std::string& field, kube::ObjectText text) {
  thread_local od::parser parser;
  od::document document;
  std::string_view value;
  simdjson::padded_string_view view(text.json.data(), text.json.size(),
                                    text.json.size() + kube::kPadding);
  if (parser.iterate(view).get(document)) return base::fail(base::Code::kCorrupt, "no JSON");
  if (document.find_field_unordered("data").find_field_unordered(field).get_string().get(value))
    return std::optional<std::string>("-");
  return std::optional(std::string(value));
}

std::string stamp() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::to_string(now.tv_sec) + "." + std::to_string(1000000000 + now.tv_nsec).substr(1);
}

// Ends the loop with standard input; a line "counts" is answered.
void obey(base::Loop& loop, const std::function<void()>& counts) {
  auto status = loop.watch(STDIN_FILENO, EPOLLIN, [&loop, counts](uint32_t) {
    char buffer[256];
    if (::read(STDIN_FILENO, buffer, sizeof buffer) <= 0) return loop.stop();
    counts();
  });
  if (!status.ok()) give_up(status.error().message);
}

}  // namespace

int watch(kube::Client& client, const Words& words) {
  if (words.size() < 3) give_up("watch RESOURCE NAMESPACE FIELD");
  auto loop = base::Loop::make();
  if (!loop.ok()) give_up(loop.error().message);
  using Reflector = kube::Reflector<std::string>;
  Reflector::Handlers handlers;
  handlers.added = [](const std::string& key, const std::string& value) {
    say(stamp() + " added " + key + " " + value);
  };
  handlers.updated = [](const std::string& key, const std::string&, const std::string& value) {
    say(stamp() + " updated " + key + " " + value);
  };
  handlers.deleted = [](const std::string& key, const std::string& value) {
    say(stamp() + " deleted " + key + " " + value);
  };
  handlers.synced = [] { say(stamp() + " synced"); };
  handlers.trouble = [](const kube::Failure& failure) {
    say(stamp() + " trouble " + std::to_string(failure.http) + " " + failure.message);
  };
  kube::ListWatchOptions options;
  options.resource = resource_of(words[0]);
  options.selection.ns = words[1];
  Reflector reflector(
      client, **loop, options,
      [field = words[2]](const kube::Meta&, kube::ObjectText text) {
        return field_of(field, text);
      },
      handlers);
  obey(**loop, [&] {
    const auto& c = reflector.counts();
    say("counts lists " + std::to_string(c.lists) + " watches " + std::to_string(c.watches) +
        " events " + std::to_string(c.events) + " bookmarks " + std::to_string(c.bookmarks) +
        " expired " + std::to_string(c.expired) + " corrupt " + std::to_string(c.corrupt));
  });
  (*loop)->run();
  return 0;
}

// While it leads it says so a hundred times a second, by a clock that all processes share.
int elect(kube::Client& client, const Words& words) {
  if (words.size() < 4) give_up("elect NAMESPACE NAME IDENTITY SECONDS");
  auto loop = base::Loop::make();
  if (!loop.ok()) give_up(loop.error().message);
  kube::ElectorOptions options{words[0], words[1], words[2], {}};
  options.times.duration = std::stol(words[3]) * base::kSecond;
  options.times.renew_deadline = options.times.duration * 2 / 3;
  options.times.retry_period = options.times.duration / 8;
  kube::ElectorHandlers handlers;
  handlers.started = [] { say("started " + std::to_string(kube::lease_now())); };
  handlers.stopped = [] { say("stopped " + std::to_string(kube::lease_now())); };
  handlers.leader = [](const std::string& who) { say("leader " + who); };
  handlers.trouble = [](const kube::Failure& failure) { say("trouble " + failure.message); };
  auto elector = kube::Elector::make(client, **loop, options, handlers);
  if (!elector.ok()) give_up(elector.error().message);
  std::function<void()> tick = [&] {
    base::Nanos now = kube::lease_now();
    if ((*elector)->leading()) say("leads " + std::to_string(now));
    (*loop)->at(base::monotonic_now() + 10 * base::kMillisecond, tick);
  };
  (*loop)->at(0, tick);
  auto status = (*loop)->watch(STDIN_FILENO, EPOLLIN, [&](uint32_t) {
    (*loop)->unwatch(STDIN_FILENO);
    (*elector)->release([&] { (*loop)->stop(); });
  });
  if (!status.ok()) give_up(status.error().message);
  (*loop)->run();
  say("released " + std::to_string(kube::lease_now()));
  return 0;
}

}  // namespace flexai::test
