#include "control/reporter.h"

#include <algorithm>

#include "base/log.h"
#include "control/reason_code.h"
#include "control/writes.h"
#include "kube/time_text.h"

namespace flexai::control {
namespace {

constexpr base::Nanos kAgain = 300 * base::kSecond;
constexpr base::Nanos kFirstPause =
    100 * base::kMillisecond;  // doubled: a reason that keeps changing

std::string said(sched::Reason reason, const model::Workload& w) {
  using sched::Reason;
  switch (reason) {
    case Reason::kNoCards:
      return w.cards > 1 ? "without " + std::to_string(w.cards) + " free cards"
                         : "without a card that has " + std::to_string(w.card_milli) +
                               " of its compute free";
    case Reason::kNoProcessor:
      return "with too few free processors";
    case Reason::kNoMemory:
      return "with too little free memory";
    case Reason::kNoCardMemory:
      return "whose cards have too little free memory";
    case Reason::kWrongModel:
      return "with cards of another model";
    case Reason::kBehindHead:
      return "held for work that has waited for long";
    default:
      return sched::reason_name(reason);
  }
}

std::string of_queue(sched::Reason reason, const model::Workload& w) {
  using sched::Reason;
  switch (reason) {
    case Reason::kQueueLimit:
      return "queue " + w.queue + " is at its limit";
    case Reason::kModelCap:
      return "queue " + w.queue + " has as many cards of this model as it may";
    case Reason::kGangPartial:
      return "some members of the gang have room, not all";
    case Reason::kBehindHead:
      return "older work of its queue goes first";
    case Reason::kNeverFits:
      return "no node could hold it even when empty";
    default:
      return "";
  }
}

}  // namespace

std::string words_of(const sched::Verdict& v, const model::Workload& w, size_t nodes,
                     const std::map<std::string, int>& obstacles) {
  std::string counts;
  const auto add = [&](int count, const std::string& text) {
    counts += (counts.empty() ? "" : ", ") + std::to_string(count) + " " + text;
  };
  for (int r = 1; r < sched::kReasons; ++r) {
    const uint32_t count = v.nodes[static_cast<size_t>(r)];
    const auto reason = static_cast<sched::Reason>(r);
    if (count > 0 && reason != sched::Reason::kNotAllowed)
      add(static_cast<int>(count), said(reason, w));
  }
  for (const auto& [text, count] : obstacles) add(count, text);
  std::string line = "0/" + std::to_string(nodes) + " nodes: ";
  const std::string first = of_queue(v.reason, w);
  line += first;
  if (!counts.empty()) line += (first.empty() ? "" : "; ") + counts;
  if (!v.alternative.empty()) line += "; it would start " + v.alternative;
  return coded(code_of(v.reason), line);
}

void Reporter::say(const PodFacts& pod, const std::string& reason, const std::string& message) {
  if (bucket_.take(base::monotonic_now()) != 0) return;
  ++told_;
  client_.send(say_event(pod, instance_, reason, message, kube::now_text(true), false), nullptr,
               [](kube::Reply) {});
}

bool Reporter::tell(const std::map<std::string, std::string>& reasons, base::Nanos now) {
  bool left = false;
  for (const auto& [pod, reason] : reasons) {
    Told& told = known_[pod];
    const bool other = told.reason != reason;
    if (told.at != 0 && now - told.at < (other ? told.pause : kAgain)) {
      left = left || other;
      continue;
    }
    const PodFacts* facts = world_.pod(pod);
    if (facts == nullptr || facts->wish == nullptr) continue;
    if (bucket_.take(now) != 0) return true;
    const std::string when = kube::now_text(true);
    if (facts->wish->gates > 0 && facts->wish->message != reason)
      client_.send(say_condition(*facts, reason, kube::now_text(false)), nullptr,
                   [](kube::Reply) {});
    client_.send(say_event(*facts, instance_, "FailedScheduling", reason, when, true), nullptr,
                 [](kube::Reply reply) {
                   if (!reply.ok() && reply.failure->http != 404)
                     base::log(base::Level::kWarn, "reporter", "an event was not taken",
                               {{"error", reply.failure->message}});
                 });
    ++told_;
    told = {reason, now, std::min(kAgain, std::max(kFirstPause, 2 * told.pause))};
  }
  std::erase_if(known_, [&](const auto& one) { return reasons.count(one.first) == 0; });
  return left;
}

}  // namespace flexai::control
