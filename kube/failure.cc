#include "kube/failure.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "model/json.h"

namespace flexai::kube {
namespace {

using base::Code;

constexpr size_t kLongestMessage = 512;

Code code_of(int http) {
  switch (http) {
    case 400:
    case 413:
    case 422:
      return Code::kInvalid;
    case 401:
    case 403:
      return Code::kDenied;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kConflict;
    case 405:
    case 406:
    case 415:
      return Code::kUnsupported;
    case 408:
    case 504:
      return Code::kTimeout;
    case 410:
    case 502:
    case 503:
      return Code::kUnavailable;
    case 429:
      return Code::kExhausted;
    default:
      return Code::kInternal;
  }
}

// One printable line of bounded length, whatever the server sent.
std::string line_of(std::string_view text) {
  std::string line(text.substr(0, kLongestMessage));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  while (!line.empty() && line.back() == ' ') line.pop_back();
  if (text.size() > kLongestMessage) line += "...";
  return line;
}

std::string text_at(const nlohmann::json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string() ? line_of(it->get_ref<const std::string&>())
                                               : std::string();
}

void read_details(const nlohmann::json& details, Failure& failure) {
  if (auto causes = details.find("causes"); causes != details.end() && causes->is_array())
    for (const auto& cause : *causes)
      if (failure.cause.empty() && cause.is_object()) failure.cause = text_at(cause, "reason");
  auto wish = details.find("retryAfterSeconds");
  if (failure.retry_after == kNoWish && wish != details.end() && wish->is_number_integer())
    failure.retry_after = wish_of(wish->dump());
}

}  // namespace

base::Nanos wish_of(std::string_view text) {
  int seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0) return kNoWish;
  return std::min(seconds, 3600) * base::kSecond;
}

Failure failure_of(int http, std::string_view body, std::string_view retry_after) {
  Failure failure;
  failure.http = http;
  failure.code = code_of(http);
  failure.retry_after = wish_of(retry_after);
  auto status = model::parse_json(body);
  if (status.ok() && status->is_object() && text_at(*status, "kind") == "Status") {
    failure.message = text_at(*status, "message");
    failure.reason = text_at(*status, "reason");
    auto details = status->find("details");
    if (details != status->end() && details->is_object()) read_details(*details, failure);
  } else {
    failure.message = line_of(body.substr(0, body.find('\n')));
  }
  if (failure.message.empty()) failure.message = "the server gives no reason";
  failure.message += " (HTTP " + std::to_string(http) + ")";
  return failure;
}

Failure failure_of_status(std::string_view json) {
  auto status = model::parse_json(json);
  int http = 500;
  if (status.ok() && status->is_object())
    if (auto code = status->find("code"); code != status->end() && code->is_number_integer())
      http = static_cast<int>(std::clamp<int64_t>(code->get<int64_t>(), 400, 599));
  return failure_of(http, json, "");
}

Failure no_answer(base::Code code, std::string message, bool unprocessed) {
  Failure failure;
  failure.code = code;
  failure.message = std::move(message);
  failure.unprocessed = unprocessed;
  return failure;
}

}  // namespace flexai::kube
