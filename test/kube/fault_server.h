// FaultServer: an HTTP/2 server on loopback that does to its client what a real API server cannot
// be made to do on demand. A handler sees each request and answers it as it likes, whole or in
// pieces, now or later, or breaks the stream or the connection. Threads: it has one of its own, on
// which the handler runs; Answers are used there (post() gets there).
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/loop.h"
#include "kube/credentials.h"

struct nghttp2_session;

namespace flexai::test {

struct SeenRequest {
  std::string method, path, body, authorization, content_type, accept;
  int connection = 0;  // counted from 1
};

class FaultServer {
 public:
  class Answer {
   public:
    virtual ~Answer() = default;
    virtual void begin(int status, const std::string& retry_after = "") = 0;
    virtual void send(const std::string& bytes) = 0;
    virtual void finish() = 0;
    virtual void reset(uint32_t error) = 0;  // of RFC 9113
    virtual void cut() = 0;                  // the connection, after what was sent
    virtual void go_away(bool with_this_request) = 0;
    virtual void raw(const std::string& bytes) = 0;  // onto the connection, past HTTP/2
    void whole(int status, const std::string& body, const std::string& retry_after = "") {
      begin(status, retry_after);
      send(body);
      finish();
    }
  };
  using AnswerPtr = std::shared_ptr<Answer>;
  using Handler = std::function<void(const SeenRequest&, AnswerPtr)>;

  struct Tls {
    std::string certificate, key;  // PEM
  };
  struct Options {
    std::optional<Tls> tls;
    bool mute = false;  // connections are taken, and nothing is ever said
  };

  explicit FaultServer(Handler handler) : FaultServer(std::move(handler), Options()) {}
  FaultServer(Handler handler, Options options);
  ~FaultServer();

  kube::Credentials credentials() const;
  uint16_t port() const { return port_; }
  void post(std::function<void()> task) { loop_->post(std::move(task)); }
  void post_in(base::Nanos pause, std::function<void()> task);
  // New connections are refused, present ones cut; or taken again.
  void refuse(bool refused);
  int connections() const { return connections_; }

 private:
  class Connection;
  class Stream;
  void listen();
  void accept();
  void drop(Connection* connection);

  const Handler handler_;
  const Options options_;
  std::unique_ptr<base::Loop> loop_;
  base::Fd listener_;
  uint16_t port_ = 0;
  std::list<std::shared_ptr<Connection>> open_;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

}  // namespace flexai::test
