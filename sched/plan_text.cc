#include "sched/plan_text.h"

namespace flexai::sched {
namespace {

std::string text_of(const model::MemberPlace& p) {
  std::string cards;
  for (uint32_t card : p.cards) cards += (cards.empty() ? "" : ",") + std::to_string(card);
  return p.node + (p.card_node.empty() ? "" : "<-" + p.card_node) +
         (p.cards.empty() ? "" : "[" + cards + "]");
}

}  // namespace

std::vector<std::string> lines_of(const Plan& plan, const Snapshot& of) {
  std::vector<std::string> lines;
  for (const Action& a : plan.actions) {
    std::string line = std::string(act_name(a.act)) + " " + of.workloads[a.workload].name;
    for (size_t i = 0; i < a.places.size(); ++i)
      line += (i == 0 ? "@" : "+") + text_of(a.places[i]);
    if (a.act == Act::kShrink || a.act == Act::kGrow) line += " to " + std::to_string(a.milli);
    if (a.because != ~uint32_t{0}) line += " for " + of.workloads[a.because].name;
    lines.push_back(std::move(line));
  }
  for (const Verdict& v : plan.pending)
    lines.push_back(of.workloads[v.workload].name + " waits: " + reason_name(v.reason));
  return lines;
}

}  // namespace flexai::sched
