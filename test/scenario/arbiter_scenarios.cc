// arbiter_scenarios FILE...: runs each scenario file (test/scenario/arbiter/README.md) in simulated
// time and compares with what it expects. Exit status 1 when anything differs.
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "limit/arbiter_sim.h"

namespace {

using flexai::base::kMicrosecond;
using flexai::base::kMillisecond;
using flexai::base::Nanos;
using flexai::limit::ArbiterSim;
using flexai::limit::SimTenant;
using flexai::limit::Terms;
using nlohmann::json;

Terms terms_of(const json& j, Terms terms) {
  if (j.contains("qos")) terms.qos = flexai::model::parse_qos(j["qos"].get<std::string>()).value();
  terms.share_milli = j.value("share", terms.share_milli);
  terms.ceiling_milli = j.value("ceiling", terms.ceiling_milli);
  if (terms.qos == flexai::model::Qos::kFixed) terms.ceiling_milli = terms.share_milli;
  terms.paused = j.value("paused", terms.paused);
  if (j.contains("priority"))
    terms.priority = flexai::model::parse_priority(j["priority"].get<std::string>()).value();
  return terms;
}

SimTenant tenant_of(const json& j) {
  SimTenant tenant;
  tenant.name = j.at("name");
  tenant.terms = terms_of(j, {});
  if (j.contains("kernels_us")) tenant.kernels.clear();
  for (const json& us : j.value("kernels_us", json::array()))
    tenant.kernels.push_back(us.get<Nanos>() * kMicrosecond);
  tenant.queued = j.value("mode", "queued") == "queued";
  tenant.gap = j.value("gap_us", Nanos{0}) * kMicrosecond;
  tenant.burst = j.value("burst", 0);
  tenant.think = j.value("think_us", Nanos{0}) * kMicrosecond;
  tenant.start = j.value("start_ms", Nanos{0}) * kMillisecond;
  if (j.contains("stop_ms")) tenant.stop = j["stop_ms"].get<Nanos>() * kMillisecond;
  tenant.predicts = j.value("predicts", 1.0);
  tenant.reports = j.value("reports", 1.0);
  return tenant;
}

class Scenario {
 public:
  explicit Scenario(const json& j) : about_(j), sim_(options(j)) {
    for (const json& t : j.at("tenants")) {
      SimTenant tenant = tenant_of(t);
      ids_[tenant.name] = sim_.add(tenant);
      terms_[tenant.name] = tenant.terms;
    }
    for (const json& e : j.value("events", json::array())) plan(e);
  }

  int run(const std::string& file) {
    file_ = file;
    end_ = about_.at("ms").get<Nanos>() * kMillisecond;
    sim_.run(end_);
    for (const std::string& rule : sim_.broken()) differ(rule);
    for (const json& e : about_.at("expect")) {
      if (e.contains("latency_ms")) check_latency(e);
      if (e.contains("share")) check_share(e);
      if (e.contains("total_at_least")) check_total(e);
      if (e.contains("account_within")) check_account(e);
      if (e.contains("steps_per_second")) check_steps(e);
    }
    return differences_;
  }

 private:
  static flexai::limit::SimOptions options(const json& j) {
    flexai::limit::SimOptions options;
    options.wake = j.value("wake_us", Nanos{60}) * kMicrosecond;
    options.hand_over = j.value("hand_over_us", Nanos{0}) * kMicrosecond;
    return options;
  }

  void plan(const json& e) {
    Nanos when = e.at("at_ms").get<Nanos>() * kMillisecond;
    std::string name = e.at("tenant");
    size_t id = ids_.at(name);
    if (e.contains("terms")) {
      Terms terms = terms_of(e["terms"], terms_.at(name));
      terms_[name] = terms;
      sim_.at(when, [this, id, terms] { sim_.set_terms(id, terms); });
    }
    if (e.contains("freeze_ms")) {
      sim_.at(when, [this, id] { sim_.freeze(id, true); });
      sim_.at(when + e["freeze_ms"].get<Nanos>() * kMillisecond,
              [this, id] { sim_.freeze(id, false); });
    }
  }

  Nanos from(const json& e) const { return e.value("from_ms", Nanos{0}) * kMillisecond; }
  Nanos to(const json& e) const {
    return e.contains("to_ms") ? e["to_ms"].get<Nanos>() * kMillisecond : end_;
  }

  void check_share(const json& e) {
    size_t id = ids_.at(e.at("tenant"));
    double expected = e["share"];
    double within = e.at("within");
    Nanos window =
        e.contains("window_ms") ? e["window_ms"].get<Nanos>() * kMillisecond : to(e) - from(e);
    double worst = 0;
    for (Nanos a = from(e); a + window <= to(e); a += window / 16) {
      double off = sim_.share(id, a, a + window) - expected;
      if (std::abs(off) > std::abs(worst)) worst = off;
    }
    if (std::abs(worst) <= within) return;
    differ(text("%s: share %.4f, expected %.4f within %.4f", name(e), expected + worst, expected,
                within));
  }

  void check_latency(const json& e) {
    auto found = sim_.latencies(ids_.at(e.at("tenant")), from(e), to(e),
                                e.value("after_idle_ms", Nanos{0}) * kMillisecond);
    if (found.empty()) return differ(std::string(name(e)) + ": no requests");
    double percentile = e.value("percentile", 100.0);
    auto index = static_cast<size_t>(percentile / 100 * static_cast<double>(found.size() - 1));
    double ms = static_cast<double>(found[index]) / 1e6;
    if (ms <= e["latency_ms"].get<double>()) return;
    differ(text("%s: latency %.3f ms at %.1f %%, expected %.3f", name(e), ms, percentile,
                e["latency_ms"].get<double>()));
  }

  void check_total(const json& e) {
    double total = 0;
    for (const auto& [tenant, id] : ids_) total += sim_.share(id, from(e), to(e));
    if (total >= e["total_at_least"].get<double>()) return;
    differ(text("%s: total %.4f, expected at least %.4f (%.0f)", "card", total,
                e["total_at_least"].get<double>(), 0));
  }

  // Our own account of the whole run against the work done.
  void check_account(const json& e) {
    size_t id = ids_.at(e.at("tenant"));
    double charged = static_cast<double>(sim_.use(id).charged) / static_cast<double>(end_);
    double done = sim_.share(id, 0, end_);
    if (std::abs(charged - done) <= e["account_within"].get<double>()) return;
    differ(text("%s: charged %.4f, worked %.4f, expected within %.4f", name(e), charged, done,
                e["account_within"].get<double>()));
  }

  void check_steps(const json& e) {
    double rate = static_cast<double>(sim_.steps()) * 1e9 / static_cast<double>(end_);
    if (rate <= e["steps_per_second"].get<double>()) return;
    differ(text("%s: %.0f steps/s, expected at most %.0f (%.0f)", "arbiter", rate,
                e["steps_per_second"].get<double>(), 0));
  }

  static const char* name(const json& e) {
    return e["tenant"].get_ref<const std::string&>().c_str();
  }
  static std::string text(const char* format, const char* who, double a, double b, double c) {
    char line[256];
    std::snprintf(line, sizeof line, format, who, a, b, c);
    return line;
  }
  void differ(const std::string& what) {
    std::printf("%s: %s\n", file_.c_str(), what.c_str());
    ++differences_;
  }

  json about_;
  ArbiterSim sim_;
  std::map<std::string, size_t> ids_;
  std::map<std::string, Terms> terms_;
  std::string file_;
  Nanos end_ = 0;
  int differences_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  int differences = 0;
  for (int i = 1; i < argc; ++i) {
    try {
      std::ifstream in(argv[i]);
      differences += Scenario(json::parse(in)).run(argv[i]);
    } catch (const std::exception& e) {
      std::printf("%s: %s\n", argv[i], e.what());
      ++differences;
    }
  }
  std::printf("%d scenarios, %d differences\n", argc - 1, differences);
  return argc < 2 || differences != 0 ? 1 : 0;
}
