#include "agent/linking.h"

#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "agent/other_host.h"
#include "base/fd.h"
#include "base/log.h"
#include "remote/handover.h"
#include "remote/link_letters.h"
#include "remote/worker_order.h"
#include "wire/socket.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using base::Fd;
using base::kSecond;
using base::monotonic_now;

namespace {

constexpr base::Nanos kConnecting = 5 * kSecond, kShaking = 5 * kSecond, kMore = 2 * kSecond;

base::Status known_there(const LinkPlan& plan, OtherHost& there) {
  const nlohmann::json question = {{"session", plan.name}, {"host", plan.host}};
  auto answer = there.ask("POST", "/v1/links", question.dump());
  if (answer.ok()) return {};
  base::log(base::Level::kInfo, "links", "not made", {{"why", answer.error().message}});
  const Code why = answer.error().code;
  if (why == Code::kNotFound) return answer.error();
  return fail(why == Code::kDenied ? why : Code::kUnavailable,
              there.name() +
                  " does not answer this host as one of its group; the agent's log here "
                  "says more");
}

}  // namespace

base::Status make_link(const LinkPlan& plan) {
  FLEXAI_TRY_ASSIGN(OtherHost there, OtherHost::open(plan.to, plan.pki));
  FLEXAI_TRY(known_there(plan, there));
  FLEXAI_TRY_ASSIGN(const Fd socket,
                    wire::connect_socket(there.endpoint, monotonic_now() + kConnecting));
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return base::fail_errno("socketpair");
  const Fd ours(ends[0]);
  Fd theirs(ends[1]);
  wire::Writer writer;
  FLEXAI_TRY(remote::encode(remote::LinkOrder{plan.name, plan.key}, writer));
  FLEXAI_TRY(remote::send_move(ours.get(), remote::MoveWord::kLink, writer.bytes(), socket.get()));
  FLEXAI_TRY(remote::order_worker(plan.orders,
                                  {remote::OrderWord::kLink, kShaking, std::move(theirs)}, kMore));
  return {};
}

}  // namespace flexai::agent
