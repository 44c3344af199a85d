#include "agent/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <map>

namespace flexai::agent {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Page {
 public:
  void add(MetricType type, const std::string& name, const std::string& help, const Labels& labels,
           double value) {
    if (families_.empty() || families_.back().name != name) {
      auto it = index_.find(name);
      if (it == index_.end()) {
        index_[name] = families_.size();
        families_.push_back(MetricFamily{name, help, type, {}});
      }
    }
    ClientMetric metric;
    metric.label = labels;
    if (type == MetricType::Counter)
      metric.counter.value = value;
    else
      metric.gauge.value = value;
    families_[index_[name]].metric.push_back(std::move(metric));
  }
  void gauge(const std::string& name, const std::string& help, const Labels& labels, double value) {
    add(MetricType::Gauge, name, help, labels, value);
  }
  void counter(const std::string& name, const std::string& help, const Labels& labels,
               double value) {
    add(MetricType::Counter, name, help, labels, value);
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
  std::map<std::string, size_t> index_;
};

double number(uint64_t value) { return static_cast<double>(value); }
double seconds(base::Nanos value) { return static_cast<double>(value) / 1e9; }

void add_card(Page* page, const CardMetrics& card) {
  const Labels labels = {{"card", card.device.id},
                         {"api", card.device.api},
                         {"vendor", card.device.vendor},
                         {"model", card.device.model}};
  page->gauge("flexai_card_healthy", "1 when the card can be used", labels,
              card.device.healthy ? 1 : 0);
  page->gauge("flexai_card_memory_limit_bytes", "memory of the card", labels,
              number(card.device.memory_bytes));
  page->gauge("flexai_card_memory_allocated_bytes", "memory promised to slices", labels,
              number(card.room.granted_bytes));
  page->gauge("flexai_card_core_allocated_ratio", "compute promised to slices", labels,
              card.room.granted_milli / 1000.0);
  page->gauge("flexai_card_shared_count", "slices on the card", labels, card.room.slices);
  page->gauge("flexai_card_utilization_ratio", "device time used by slices over the last second",
              labels, card.use.got_1s);
  page->counter("flexai_card_arbiter_passes_total", "passes of the card's arbiter", labels,
                number(card.use.steps));
}

void add_slice(Page* page, const SliceMetrics& one) {
  const model::Slice& slice = one.slice;
  const Labels labels = {{"slice", slice.name},
                         {"card", slice.card},
                         {"qos", model::qos_name(slice.qos)},
                         {"owner", std::to_string(slice.owner_uid)}};
  page->gauge("flexai_slice_compute_guarantee_ratio", "device time promised", labels,
              slice.compute_milli / 1000.0);
  page->gauge("flexai_slice_paused", "1 while it gets no device time", labels,
              slice.paused ? 1 : 0);
  page->gauge("flexai_slice_compute_ceiling_ratio", "most device time it may take", labels,
              slice.ceiling_milli / 1000.0);
  page->gauge("flexai_slice_memory_limit_bytes", "memory limit", labels,
              number(slice.memory_bytes));
  if (one.use == nullptr) return;
  const SliceUse& use = *one.use;
  page->gauge("flexai_slice_memory_used_bytes", "memory allocated", labels,
              number(use.memory_used));
  page->gauge("flexai_slice_memory_peak_bytes", "most memory allocated at one time", labels,
              number(use.memory_peak));
  page->gauge("flexai_slice_utilization_ratio", "device time charged over the last second", labels,
              use.got_1s);
  page->counter("flexai_slice_compute_seconds_total", "device time charged", labels,
                seconds(use.use.charged));
  page->counter("flexai_slice_wait_seconds_total", "time it wanted the card and had to wait",
                labels, seconds(use.use.lease_wait));
  page->counter("flexai_slice_throttled_seconds_total",
                "part of the waiting that was its own ceiling", labels, seconds(use.use.throttled));
  page->counter("flexai_slice_leases_total", "leases granted", labels, number(use.use.leases));
  page->counter("flexai_slice_launches_total", "metered submissions", labels, number(use.launches));
  page->counter("flexai_slice_copies_total", "copies between host and card", labels,
                number(use.copies));
  page->counter("flexai_slice_refused_allocations_total", "allocations over the memory limit",
                labels, number(use.refused_allocations));
  page->gauge("flexai_slice_processes", "attached processes", labels, use.processes);
}

}  // namespace

std::string metrics_text(const std::vector<CardMetrics>& cards,
                         const std::vector<SliceMetrics>& slices, const AgentMetrics& agent) {
  Page page;
  page.gauge("flexai_agent_incarnation", "starts of the agent with this state", {},
             number(agent.incarnation));
  page.gauge("flexai_agent_runs", "programs started by flexai run", {}, number(agent.runs));
  page.gauge("flexai_agent_processes", "attached processes", {}, number(agent.processes));
  page.gauge("flexai_agent_waiting_requests", "requests that wait for room", {},
             number(agent.waiting_requests));
  for (const CardMetrics& card : cards) add_card(&page, card);
  for (const SliceMetrics& slice : slices) add_slice(&page, slice);
  return page.text();
}

}  // namespace flexai::agent
