// sched_scenarios FILE...: each file (test/scenario/sched/README.md) holds a snapshot and the lines
// of the plan it must give. sched_scenarios --switches FILE...: besides, switches off each rule and
// each pass in turn and fails unless some scenario then gives another plan, so that no rule is
// there that nothing would miss.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "sched/decide.h"
#include "sched/plan_text.h"
#include "sched/snapshot_json.h"

namespace {

using flexai::sched::Snapshot;

struct Scenario {
  std::string file;
  Snapshot snapshot;
  std::string refused;  // what the reader must say instead of a plan
  std::vector<std::vector<std::string>> rounds;
  std::vector<std::string> explains;  // parts of the lines for people
};

// The lines of each round; a round starts from the snapshot that the one before left.
std::vector<std::vector<std::string>> run(Snapshot snapshot, size_t rounds,
                                          std::vector<std::string>* explained) {
  std::vector<std::vector<std::string>> result;
  for (size_t i = 0; i < rounds; ++i) {
    const auto plan = flexai::sched::decide(snapshot);
    if (!plan.ok()) {
      result.push_back({plan.error().message});
      return result;
    }
    result.push_back(lines_of(*plan, snapshot));
    for (const auto& verdict : plan->pending) explained->push_back(verdict.line);
    snapshot = after(snapshot, *plan);
  }
  return result;
}

bool load(const char* file, Scenario* scenario) {
  std::ifstream in(file);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const nlohmann::json j = nlohmann::json::parse(text, nullptr, false);
  if (j.is_discarded() || !j.contains("snapshot")) {
    std::printf("%s: not a scenario\n", file);
    return false;
  }
  scenario->file = file;
  scenario->refused = j.value("refused", "");
  scenario->explains = j.value("explains", std::vector<std::string>());
  if (j.contains("rounds"))
    scenario->rounds = j["rounds"].get<std::vector<std::vector<std::string>>>();
  else if (j.contains("expect"))
    scenario->rounds = {j["expect"].get<std::vector<std::string>>()};
  auto snapshot = flexai::sched::snapshot_from_json(j["snapshot"]);
  if (!scenario->refused.empty()) {
    const std::string said = snapshot.ok() ? "nothing" : snapshot.error().message;
    if (said.find(scenario->refused) != std::string::npos) return true;
    std::printf("%s: expected to be refused with \"%s\", got \"%s\"\n", file,
                scenario->refused.c_str(), said.c_str());
    return false;
  }
  if (!snapshot.ok()) {
    std::printf("%s: %s\n", file, snapshot.error().message.c_str());
    return false;
  }
  scenario->snapshot = *snapshot;
  return true;
}

int differences(const Scenario& s) {
  std::vector<std::string> explained;
  const auto got = run(s.snapshot, s.rounds.size(), &explained);
  int found = 0;
  for (size_t i = 0; i < s.rounds.size(); ++i) {
    if (i < got.size() && got[i] == s.rounds[i]) continue;
    ++found;
    std::printf("%s: round %zu differs\n", s.file.c_str(), i);
    for (const std::string& line : s.rounds[i]) std::printf("  expected  %s\n", line.c_str());
    if (i < got.size())
      for (const std::string& line : got[i]) std::printf("  got       %s\n", line.c_str());
  }
  for (const std::string& part : s.explains) {
    bool there = false;
    for (const std::string& line : explained) there = there || line.find(part) != std::string::npos;
    if (there) continue;
    ++found;
    std::printf("%s: no line says \"%s\"\n", s.file.c_str(), part.c_str());
    for (const std::string& line : explained) std::printf("  got       %s\n", line.c_str());
  }
  return found;
}

bool anybody_misses(const std::vector<Scenario>& all, uint32_t rules, uint32_t passes) {
  for (const Scenario& s : all) {
    if (s.rounds.empty()) continue;
    Snapshot changed = s.snapshot;
    changed.policy.rules &= ~rules;
    changed.policy.passes &= ~passes;
    std::vector<std::string> ignored;
    if (run(changed, s.rounds.size(), &ignored) != s.rounds) return true;
  }
  return false;
}

int unmissed(const std::vector<Scenario>& all) {
  int found = 0;
  for (int i = 0; i < flexai::sched::kRules; ++i)
    if (!anybody_misses(all, 1u << i, 0))
      ++found, std::printf("no scenario misses the rule %s\n",
                           rule_name(static_cast<flexai::sched::Rule>(i)));
  for (int i = 0; i < flexai::sched::kPasses; ++i)
    if (!anybody_misses(all, 0, 1u << i))
      ++found, std::printf("no scenario misses the pass %s\n",
                           pass_name(static_cast<flexai::sched::Pass>(i)));
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  const bool switches = argc > 1 && std::strcmp(argv[1], "--switches") == 0;
  std::vector<Scenario> all;
  int wrong = 0;
  for (int i = switches ? 2 : 1; i < argc; ++i) {
    Scenario scenario;
    if (!load(argv[i], &scenario)) {
      ++wrong;
      continue;
    }
    wrong += differences(scenario);
    all.push_back(std::move(scenario));
  }
  if (switches) wrong += unmissed(all);
  std::printf("%zu scenarios, %d differences\n", all.size(), wrong);
  return all.empty() || wrong != 0 ? 1 : 0;
}
