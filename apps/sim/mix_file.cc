#include "apps/sim/mix_file.h"

#include <algorithm>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "apps/sim/output.h"
#include "apps/sim/random.h"

namespace flexai::apps::sim {
namespace {

using base::Code;
using base::fail;
using base::Status;

constexpr int64_t kMostCount = 1'000'000, kMostCpu = 10'000'000, kMostMemory = 1'000'000'000;
constexpr int64_t kLongest = int64_t{1} << 31;  // seconds
constexpr size_t kMostBytes = size_t{1} << 24, kMostModels = 62;

// One table of the file; what is asked for is known, and finish() refuses the rest.
class Table {
 public:
  Table(const toml::table& table, std::string path, std::string name)
      : table_(table), path_(std::move(path)), name_(std::move(name)) {}

  base::Error error(const toml::node& at, std::string_view field, const std::string& what) const {
    return fail(Code::kInvalid, path_ + ":" + std::to_string(at.source().begin.line) + ": " +
                                    name_ + "." + std::string(field) + " " + what);
  }
  base::Result<int64_t> number(const char* field, int64_t usual, int64_t least, int64_t most) {
    known_.push_back(field);
    const toml::node* node = table_.get(field);
    if (node == nullptr && usual >= least) return usual;
    if (node == nullptr) return error(table_, field, "is missing");
    return value(*node, field, least, most);
  }
  // A number, or [least, most] to draw from.
  base::Result<std::pair<int64_t, int64_t>> range(const char* field, int64_t usual, int64_t least,
                                                  int64_t most) {
    known_.push_back(field);
    const toml::node* node = table_.get(field);
    if (node == nullptr) return std::pair{usual, usual};
    const toml::array* pair = node->as_array();
    if (pair == nullptr) {
      FLEXAI_TRY_ASSIGN(int64_t one, value(*node, field, least, most));
      return std::pair{one, one};
    }
    if (pair->size() != 2) return error(*node, field, "must be a number or [least, most]");
    FLEXAI_TRY_ASSIGN(int64_t low, value(*pair->get(0), field, least, most));
    FLEXAI_TRY_ASSIGN(int64_t high, value(*pair->get(1), field, low, most));
    return std::pair{low, high};
  }
  base::Result<std::vector<std::string>> names(const char* field) {
    known_.push_back(field);
    std::vector<std::string> result;
    const toml::node* node = table_.get(field);
    if (node == nullptr) return result;
    const toml::array* list = node->as_array();
    if (list == nullptr) return error(*node, field, "must be a list of names");
    for (const toml::node& item : *list) {
      const auto* text = item.as_string();
      if (text == nullptr) return error(item, field, "must be a list of names");
      result.push_back(text->get());
    }
    return result;
  }
  base::Result<std::string> name(const char* field) {
    known_.push_back(field);
    const toml::node* node = table_.get(field);
    if (node == nullptr) return error(table_, field, "is missing");
    const auto* text = node->as_string();
    if (text == nullptr || text->get().empty()) return error(*node, field, "must be a name");
    return text->get();
  }
  Status finish() const {
    for (const auto& [key, node] : table_)
      if (std::find(known_.begin(), known_.end(), key.str()) == known_.end())
        return error(node, key.str(), "is not known");
    return {};
  }

 private:
  base::Result<int64_t> value(const toml::node& node, const char* field, int64_t least,
                              int64_t most) const {
    const auto* number = node.as_integer();
    if (number == nullptr) return error(node, field, "must be a whole number");
    if (number->get() < least || number->get() > most)
      return error(node, field,
                   "is " + std::to_string(number->get()) + ", must be in " + std::to_string(least) +
                       ".." + std::to_string(most));
    return number->get();
  }

  const toml::table& table_;
  std::string path_, name_;
  std::vector<std::string> known_;
};

class Mix {
 public:
  explicit Mix(std::string path) : path_(std::move(path)) {}

  base::Result<Trace> read(const toml::table& file) {
    Table top(file, path_, "mix");
    FLEXAI_TRY_ASSIGN(int64_t seed, top.number("seed", 1, 0, kLongest));
    FLEXAI_TRY_ASSIGN(span_s_, top.number("span_s", 86400, 1, kLongest));
    random_ = Random(static_cast<uint64_t>(seed));
    FLEXAI_TRY(each(file, "nodes", &Mix::add_nodes));
    FLEXAI_TRY(each(file, "tasks", &Mix::add_tasks));
    (void)top.names("nodes");
    (void)top.names("tasks");
    FLEXAI_TRY(top.finish());
    return std::move(trace_);
  }

 private:
  Status each(const toml::table& file, const char* field, Status (Mix::*add)(Table*, size_t)) {
    const toml::node* node = file.get(field);
    const toml::array* list = node == nullptr ? nullptr : node->as_array();
    if (list == nullptr || list->empty())
      return fail(Code::kInvalid, path_ + ": there is no [[" + field + "]]");
    for (size_t i = 0; i < list->size(); ++i) {
      const toml::table* one = list->get(i)->as_table();
      const std::string name = std::string(field) + "[" + std::to_string(i) + "]";
      if (one == nullptr) return fail(Code::kInvalid, path_ + ": " + name + " is no table");
      Table table(*one, path_, name);
      FLEXAI_TRY((this->*add)(&table, i));
      FLEXAI_TRY(table.finish());
    }
    return {};
  }

  Status add_nodes(Table* t, size_t kind) {
    TraceNode node;
    FLEXAI_TRY_ASSIGN(int64_t count, t->number("count", 1, 1, kMostCount));
    FLEXAI_TRY_ASSIGN(std::string model, t->name("model"));
    FLEXAI_TRY_ASSIGN(int64_t cards, t->number("cards", -1, 0, sched::kMaxCards));
    FLEXAI_TRY_ASSIGN(int64_t cpu, t->number("cpu_milli", -1, 0, kMostCpu));
    FLEXAI_TRY_ASSIGN(int64_t memory, t->number("memory_mib", -1, 0, kMostMemory));
    if (count + static_cast<int64_t>(trace_.nodes.size()) > kMostCount)
      return fail(Code::kInvalid, path_ + ": more than a million nodes");
    const auto at = std::find(trace_.models.begin(), trace_.models.end(), model);
    node.spec.model = static_cast<uint8_t>(at - trace_.models.begin());
    if (at == trace_.models.end()) trace_.models.push_back(model);
    if (trace_.models.size() > kMostModels)
      return fail(Code::kInvalid, path_ + ": more than 62 models");
    node.spec.cards = static_cast<uint8_t>(cards);
    node.spec.cpu_milli = static_cast<int32_t>(cpu);
    node.spec.memory_mib = static_cast<int32_t>(memory);
    for (int64_t i = 0; i < count; ++i) {
      node.name = "n" + std::to_string(kind) + "-" + std::to_string(i);
      trace_.nodes.push_back(node);
    }
    return {};
  }

  base::Result<uint64_t> models_of(Table* t) {
    FLEXAI_TRY_ASSIGN(std::vector<std::string> names, t->names("models"));
    uint64_t models = names.empty() ? sched::kAnyModel : 0;
    for (const std::string& name : names) {
      const auto at = std::find(trace_.models.begin(), trace_.models.end(), name);
      if (at == trace_.models.end())
        return fail(Code::kInvalid,
                    path_ + ": no node has a card of model \"" + name.substr(0, 40) + "\"");
      models |= uint64_t{1} << (at - trace_.models.begin());
    }
    return models;
  }

  Status add_tasks(Table* t, size_t kind) {
    FLEXAI_TRY_ASSIGN(int64_t count, t->number("count", 1, 1, kMostCount));
    FLEXAI_TRY_ASSIGN(int64_t cards, t->number("cards", 1, 0, sched::kMaxCards));
    FLEXAI_TRY_ASSIGN(auto milli, t->range("card_milli", 1000, 1, 1000));
    FLEXAI_TRY_ASSIGN(auto cpu, t->range("cpu_milli", 0, 0, kMostCpu));
    FLEXAI_TRY_ASSIGN(auto memory, t->range("memory_mib", 0, 0, kMostMemory));
    FLEXAI_TRY_ASSIGN(auto seconds, t->range("seconds", 3600, 1, kLongest));
    FLEXAI_TRY_ASSIGN(uint64_t models, models_of(t));
    if (count + static_cast<int64_t>(trace_.tasks.size()) > kMostCount)
      return fail(Code::kInvalid, path_ + ": more than a million tasks");
    for (int64_t i = 0; i < count; ++i) {
      TraceTask task;
      task.name = "t" + std::to_string(kind) + "-" + std::to_string(i);
      task.shape.cards = static_cast<uint8_t>(cards);
      task.shape.milli = static_cast<int16_t>(cards == 0 ? 0 : cards > 1 ? 1000 : draw(milli));
      task.shape.cpu_milli = static_cast<int32_t>(draw(cpu));
      task.shape.memory_mib = static_cast<int32_t>(draw(memory));
      task.shape.models = models;
      task.created_s = draw({0, span_s_});
      task.deleted_s = task.created_s + draw(seconds);
      trace_.tasks.push_back(std::move(task));
    }
    return {};
  }

  int64_t draw(std::pair<int64_t, int64_t> range) {
    return range.first + static_cast<int64_t>(
                             random_.below(static_cast<uint64_t>(range.second - range.first + 1)));
  }

  std::string path_;
  Random random_{1};
  int64_t span_s_ = 1;
  Trace trace_;
};

}  // namespace

bool is_mix_file(std::string_view path) { return path.ends_with(".toml"); }

base::Result<Trace> read_mix(const std::string& path) {
  FLEXAI_TRY_ASSIGN(std::string text, read_file(path, kMostBytes));
  return parse_mix(text, path);
}

base::Result<Trace> parse_mix(std::string_view text, const std::string& path) {
  const toml::parse_result file = toml::parse(text, path);
  if (!file)
    return fail(Code::kInvalid, path + ":" + std::to_string(file.error().source().begin.line) +
                                    ": " + std::string(file.error().description()));
  return Mix(path).read(file.table());
}

}  // namespace flexai::apps::sim
