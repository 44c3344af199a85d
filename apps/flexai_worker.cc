// flexai-worker: the process that talks to the driver for one session of one client. Started fresh
// for each; what a client's commands do to the driver ends with it.
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "apps/worker_session.h"
#include "base/futex.h"
#include "base/log.h"
#include "remote/opencl/worker/depart.h"
#include "remote/opencl/worker/program_cache.h"
#include "remote/opencl/worker/swap.h"
#include "remote/worker_order.h"

namespace {

using namespace flexai;

constexpr base::Nanos kLeaving = 700 * base::kMillisecond;  // to overwrite the memory of cards

// The session goes on at another host; then this process shows its client the way, and ends.
base::Result<uint64_t> move_on(remote::opencl::Swap& swap, remote::opencl::Depart& depart,
                               const remote::WorkerOrder& order) {
  if (swap.is_out())
    return base::fail(base::Code::kConflict, "the session's memory is not on its card");
  FLEXAI_TRY_ASSIGN(const size_t moved, depart.go(order.file, order.patience));
  std::thread([&depart] { depart.follow(); }).detach();
  return uint64_t{moved};
}

// The agent brings a connection to the other host, whose worker the program has told of it.
base::Result<uint64_t> link(remote::Links* links, const remote::WorkerOrder& order) {
  const base::Nanos deadline = base::monotonic_now() + order.patience;
  FLEXAI_TRY_ASSIGN(auto told,
                    remote::receive_move(order.file.get(), remote::MoveWord::kLink, deadline));
  FLEXAI_TRY_ASSIGN(const auto wanted, remote::decode_link_order(told.body));
  if (links == nullptr)
    return base::fail(base::Code::kUnsupported, "a session of this host has no links");
  FLEXAI_TRY(links->open(std::move(told.socket), wanted, deadline));
  return uint64_t{0};
}

// Told twice is done once: the agent may have been another one in between.
base::Result<uint64_t> carry_out(remote::opencl::Swap& swap, remote::opencl::Depart& depart,
                                 remote::Links* links, remote::WorkerOrder order) {
  if (order.word == remote::OrderWord::kLink) return link(links, order);
  if (order.word == remote::OrderWord::kMove) return move_on(swap, depart, order);
  const bool away = order.word == remote::OrderWord::kSwapOut;
  if (swap.is_out() == away) return uint64_t{0};
  auto moved =
      away ? swap.out(std::move(order.file), base::monotonic_now() + order.patience) : swap.in();
  if (!moved.ok()) return moved.error();
  return uint64_t{*moved};
}

void say_programs() {
  const auto counts = remote::opencl::program_cache_counts();
  if (counts.compiled + counts.found != 0)
    fprintf(stderr, "flexai-worker: programs: %llu compiled, %llu found\n",
            static_cast<unsigned long long>(counts.compiled),
            static_cast<unsigned long long>(counts.found));
}

base::Status work(const apps::WorkerOptions& options) {
  FLEXAI_TRY_ASSIGN(auto served, apps::begin_session(options));
  const auto& door = served.door;
  const auto& met = served.met;
  const auto& session = met.session;
  const auto& worker = met.worker;
  FLEXAI_TRY(worker->take_output());
  remote::opencl::Swap swap(*worker);
  remote::opencl::Depart depart(*worker);
  std::unique_ptr<remote::OrderDoor> orders;
  if (options.orders >= 0) {
    FLEXAI_TRY_ASSIGN(orders, remote::OrderDoor::open(base::Fd(options.orders), [&](auto order) {
                        return carry_out(swap, depart, served.links.get(), std::move(order));
                      }));
  }
  const auto ended = worker->run();
  fprintf(stderr, "flexai-worker: session %s: %s\n", wire::text_of(session->id()).c_str(),
          ended.error().message.c_str());
  say_programs();
  const auto& endpoint = door->endpoint();
  if (options.session < 0 &&
      (endpoint.carrier == wire::Carrier::kUnix || endpoint.carrier == wire::Carrier::kShared))
    ::unlink(endpoint.place.c_str());
  // Commands that never end keep nobody from going.
  auto left = std::make_shared<std::atomic<uint32_t>>(0);
  const auto linger = static_cast<base::Nanos>(options.linger) * base::kMillisecond;
  std::thread([&worker = *worker, left, linger] {
    worker.leave();
    remote::opencl::finish_program_cache(base::monotonic_now() + linger);
    left->store(1, std::memory_order_release);
    base::futex_wake(left.get(), 1);
  }).detach();
  base::futex_wait(left.get(), 0, base::monotonic_now() + kLeaving + linger);
  // A client on another host hears why before its connection is gone.
  if (options.appointment >= 0) ::usleep(200'000);
  // No exit handlers and no waiting for commands: the driver's threads may never end.
  _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  flexai::apps::WorkerOptions options;
  if (!parse(argc, argv, options)) {
    fputs(flexai::apps::kWorkerUsage, stderr);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  flexai::base::set_log(STDERR_FILENO, flexai::base::Level::kWarn);
  ::prctl(PR_SET_DUMPABLE, 0);  // no core file with other people's memory
  const auto done = work(options);
  fprintf(stderr, "flexai-worker: %s\n", done.error().message.c_str());
  return 1;
}
