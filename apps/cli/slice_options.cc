#include "apps/cli/slice_options.h"

#include <nlohmann/json.hpp>

#include "model/quantity.h"
#include "model/slice.h"

namespace flexai::apps {

void SliceOptions::add_to(CLI::App* command, bool with_card) {
  if (with_card)
    command->add_option("--card", card, "card, as `flexai devices` names it; else one with room")
        ->type_name("CARD");
  command->add_option("--compute", compute, "guaranteed part of the card's time: 30%, 0.3, 300m")
      ->type_name("SHARE");
  command
      ->add_option("--memory", memory,
                   "memory limit: 1GiB, 512M; else the same part of the card as --compute")
      ->type_name("SIZE");
  command
      ->add_option("--qos", qos,
                   "elastic: guarantee plus idle time (default); fixed: never more than its share; "
                   "besteffort: idle time only")
      ->type_name("QOS");
  command->add_option("--ceiling", ceiling, "most it may take with idle time, elastic only")
      ->type_name("SHARE");
  command->add_option("--priority", priority, "low, normal (default) or high")
      ->type_name("PRIORITY");
}

bool SliceOptions::any() const {
  return !(card + compute + memory + qos + ceiling + priority).empty();
}

base::Result<nlohmann::json> SliceOptions::to_json() const {
  nlohmann::json body = nlohmann::json::object();
  if (!card.empty()) body["card"] = card;
  if (!compute.empty()) {
    FLEXAI_TRY_ASSIGN(body["compute_milli"], model::parse_share(compute).with_context("--compute"));
  }
  if (!ceiling.empty()) {
    FLEXAI_TRY_ASSIGN(body["ceiling_milli"], model::parse_share(ceiling).with_context("--ceiling"));
  }
  if (!memory.empty()) {
    FLEXAI_TRY_ASSIGN(body["memory_bytes"], model::parse_bytes(memory).with_context("--memory"));
  }
  if (!qos.empty()) {
    FLEXAI_TRY(model::parse_qos(qos).with_context("--qos"));
    body["qos"] = qos;
  }
  if (!priority.empty()) {
    FLEXAI_TRY(model::parse_priority(priority).with_context("--priority"));
    body["priority"] = priority;
  }
  return body;
}

}  // namespace flexai::apps
