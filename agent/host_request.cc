#include "agent/host_request.h"

#include <stdlib.h>

#include "wire/exchange.h"

namespace flexai::agent {

using base::Code;
using base::fail;

namespace {

constexpr size_t kMostAnswer = 16 << 20;

// How many bytes follow the head of an answer; the agent always says.
base::Result<size_t> length_in(const std::string& head) {
  size_t at = head.find("\r\nContent-Length: ");
  if (at == std::string::npos) return fail(Code::kCorrupt, "an answer without its length");
  const unsigned long long length = strtoull(head.c_str() + at + 18, nullptr, 10);
  if (length > kMostAnswer) return fail(Code::kCorrupt, "an answer of more than 16 MiB");
  return static_cast<size_t>(length);
}

base::Result<HostResponse> read_response(wire::Transport& transport, base::Nanos deadline) {
  std::string text;
  size_t head = std::string::npos, whole = 0;
  while (head == std::string::npos || text.size() < whole) {
    char bytes[16384];
    FLEXAI_TRY_ASSIGN(const size_t got,
                      transport.receive(std::as_writable_bytes(std::span(bytes))));
    text.append(bytes, got);
    if (text.size() > kMostAnswer + 65536) return fail(Code::kCorrupt, "an answer without end");
    if (head == std::string::npos && (head = text.find("\r\n\r\n")) != std::string::npos) {
      FLEXAI_TRY_ASSIGN(const size_t length, length_in(text.substr(0, head)));
      whole = head + 4 + length;
    }
    if (got != 0) continue;
    if (base::monotonic_now() >= deadline) return fail(Code::kTimeout, "does not answer");
    transport.wait(wire::kReadable, deadline);
  }
  HostResponse response;
  if (text.compare(0, 9, "HTTP/1.1 ") != 0) return fail(Code::kCorrupt, "does not speak HTTP");
  response.status = atoi(text.c_str() + 9);
  response.body = text.substr(head + 4, whole - head - 4);
  return response;
}

}  // namespace

base::Result<HostResponse> request_host(wire::Transport& transport, const std::string& method,
                                        const std::string& path, const std::string& body,
                                        base::Nanos deadline) {
  const std::string text = method + " " + path +
                           " HTTP/1.1\r\nHost: flexai\r\nConnection: close\r\n"
                           "Content-Type: application/json\r\nContent-Length: " +
                           std::to_string(body.size()) + "\r\n\r\n" + body;
  FLEXAI_TRY(wire::send_all(transport, wire::bytes_of(text), deadline));
  return read_response(transport, deadline);
}

}  // namespace flexai::agent
