#include "control/webhook/server.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "base/futex.h"
#include "base/mutex.h"
#include "base/openssl.h"

namespace flexai::control::webhook {
namespace {

using base::Code;
using base::fail;
using base::Fd;
using base::MutexLock;
using base::Nanos;

constexpr int kMostConnections = 256;
constexpr size_t kMostBody = 4 << 20;   // the API server takes no larger object
constexpr size_t kMostRequests = 1000;  // of one connection
constexpr Nanos kRequestTime = 10 * base::kSecond;
constexpr Nanos kIdleTime = 120 * base::kSecond;  // the API server keeps connections

// A TLS connection as httplib wants it. Each wait ends with the time of the request.
class TlsStream final : public httplib::Stream {
 public:
  TlsStream(SSL* ssl, int socket) : ssl_(ssl), socket_(socket) { begin(kRequestTime); }

  void begin(Nanos time) {
    deadline_ = base::monotonic_now() + time;
    taken_ = 0;
  }
  bool wait(short events) const {
    const Nanos left = deadline_ - base::monotonic_now();
    if (left <= 0) return false;
    pollfd one{socket_, events, 0};
    return ::poll(&one, 1, static_cast<int>(left / base::kMillisecond) + 1) > 0;
  }
  // Until the step of OpenSSL's is done or cannot be.
  template <typename F>
  int run(F step) {
    for (;;) {
      ERR_clear_error();
      const int done = step();
      if (done > 0) return done;
      const int why = SSL_get_error(ssl_, done);
      const short events = why == SSL_ERROR_WANT_READ    ? POLLIN
                           : why == SSL_ERROR_WANT_WRITE ? POLLOUT
                                                         : short{0};
      if (events == 0 || !wait(events)) return -1;
    }
  }
  bool next_comes() {
    begin(kIdleTime);
    const bool comes = SSL_pending(ssl_) > 0 || wait(POLLIN);
    begin(kRequestTime);
    return comes;
  }

  bool is_readable() const override { return SSL_pending(ssl_) > 0 || wait(POLLIN); }
  bool is_writable() const override { return wait(POLLOUT); }
  ssize_t read(char* data, size_t size) override {
    size = std::min({size, kMostBody + (64 << 10) - std::min(taken_, kMostBody), size_t{1} << 20});
    const int got = run([&] { return SSL_read(ssl_, data, static_cast<int>(size)); });
    if (got > 0) taken_ += static_cast<size_t>(got);
    return got;
  }
  ssize_t write(const char* data, size_t size) override {
    if (size == 0) return 0;
    const int part = static_cast<int>(std::min(size, size_t{1} << 20));
    return run([&] { return SSL_write(ssl_, data, part); });
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  int socket() const override { return socket_; }

 private:
  SSL* const ssl_;
  const int socket_;
  Nanos deadline_ = 0;
  size_t taken_ = 0;
};

base::Result<base::SslContextPtr> context_of(const ServingCertificate& serving) {
  base::use_openssl();
  base::SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return base::openssl_error(Code::kExhausted, "TLS");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  const base::BioPtr certificate = base::bio_of(serving.certificate);
  const base::CertPtr own(PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr));
  const base::BioPtr text = base::bio_of(serving.key);
  const base::KeyPtr key(PEM_read_bio_PrivateKey(text.get(), nullptr, nullptr, nullptr));
  if (own == nullptr || key == nullptr || SSL_CTX_use_certificate(context.get(), own.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1)
    return base::openssl_error(Code::kInvalid, "the webhook's certificate");
  return context;
}

base::Result<Fd> listen_at(const Server::Options& options, int* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(options.port));
  if (::inet_pton(AF_INET, options.address.c_str(), &address.sin_addr) != 1)
    return fail(Code::kInvalid, "\"" + options.address + "\" is no IPv4 address to listen at");
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const auto* at = reinterpret_cast<const sockaddr*>(&address);
  if (!socket.valid() || ::bind(socket.get(), at, sizeof address) != 0 ||
      ::listen(socket.get(), 512) != 0)
    return base::fail_errno("listening at " + options.address + ":" + std::to_string(options.port));
  socklen_t size = sizeof address;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  *port = ntohs(address.sin_port);
  return socket;
}

}  // namespace

class Server::Http final : public httplib::Server {
 public:
  Http(Knowledge knowledge, MakeTemplate make_template, std::function<bool()> ready)
      : knowledge_(std::move(knowledge)),
        make_template_(std::move(make_template)),
        ready_(std::move(ready)) {
    set_payload_max_length(kMostBody);
    Post("/mutate", [this](const httplib::Request& request, httplib::Response& response) {
      auto answer = answer_review(request.body, knowledge_, make_template_);
      if (answer.ok()) return response.set_content(*answer, "application/json");
      response.status = 400;
      response.set_content(answer.error().message + "\n", "text/plain");
    });
    Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("ok\n", "text/plain");
    });
    Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      const bool ready = ready_();
      response.status = ready ? 200 : 503;
      response.set_content(ready ? "ok\n" : "the objects have not all come yet\n", "text/plain");
    });
  }

  base::Status open(const webhook::Server::Options& options,
                    const ServingCertificate& certificate) {
    FLEXAI_TRY(renew(certificate));
    FLEXAI_TRY_ASSIGN(listener_, listen_at(options, &port_));
    stop_ = Fd(::eventfd(0, EFD_CLOEXEC));
    if (!stop_.valid()) return base::fail_errno("eventfd");
    acceptor_ = std::thread([this] { accept_all(); });
    return {};
  }

  void close() {
    if (!acceptor_.joinable()) return;
    closing_ = true;
    const uint64_t one = 1;
    [[maybe_unused]] const auto told = ::write(stop_.get(), &one, sizeof one);
    acceptor_.join();
    for (;;) {
      const uint32_t seen = left_.load(std::memory_order_acquire);
      {
        MutexLock lock(mutex_);
        if (sockets_.empty()) return;
        for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
      }
      base::futex_wait(&left_, seen, 0);
    }
  }

  base::Status renew(const ServingCertificate& certificate) {
    FLEXAI_TRY_ASSIGN(base::SslContextPtr made, context_of(certificate));
    MutexLock lock(mutex_);
    context_ = std::shared_ptr<SSL_CTX>(made.release(), SSL_CTX_free);
    return {};
  }

  int port() const { return port_; }

 private:
  void accept_all() {
    for (;;) {
      pollfd two[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
      if (::poll(two, 2, -1) < 0 && errno != EINTR) return;
      if (two[1].revents != 0) return;
      Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket.valid()) continue;
      MutexLock lock(mutex_);
      if (sockets_.size() >= kMostConnections) continue;
      sockets_.insert(socket.get());
      std::thread([this, socket = std::move(socket), context = context_]() mutable {
        serve(socket.get(), context.get());
        MutexLock lock(mutex_);
        sockets_.erase(socket.get());
        socket.reset();
        left_.fetch_add(1, std::memory_order_release);
        base::futex_wake(&left_, 1);  // within the lock: whoever waits destroys us after it
      }).detach();
    }
  }

  void serve(int socket, SSL_CTX* context) {
    const int yes = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    const base::SslPtr ssl(SSL_new(context));
    if (ssl == nullptr || SSL_set_fd(ssl.get(), socket) != 1) return;
    TlsStream stream(ssl.get(), socket);
    if (stream.run([&] { return SSL_accept(ssl.get()); }) <= 0) return;
    for (size_t i = 0; i < kMostRequests && !closing_ && stream.next_comes(); ++i) {
      bool closed = false;
      if (!process_request(stream, i + 1 == kMostRequests, closed, nullptr) || closed) break;
    }
    stream.begin(base::kSecond);
    stream.run([&] { return SSL_shutdown(ssl.get()) < 0 ? -1 : 1; });
  }

  const Knowledge knowledge_;
  const MakeTemplate make_template_;
  const std::function<bool()> ready_;
  Fd listener_, stop_;
  int port_ = 0;
  std::atomic<bool> closing_{false};
  std::atomic<uint32_t> left_{0};  // connections that have ended; futex
  base::Mutex mutex_;
  std::shared_ptr<SSL_CTX> context_ FLEXAI_GUARDED_BY(mutex_);
  std::set<int> sockets_ FLEXAI_GUARDED_BY(mutex_);
  std::thread acceptor_;
};

Server::Server(std::unique_ptr<Http> http) : http_(std::move(http)) {}
Server::~Server() { http_->close(); }
int Server::port() const { return http_->port(); }
base::Status Server::renew(const ServingCertificate& certificate) {
  return http_->renew(certificate);
}

base::Result<std::unique_ptr<Server>> Server::make(const Options& options,
                                                   const ServingCertificate& certificate,
                                                   Knowledge knowledge, MakeTemplate make_template,
                                                   std::function<bool()> ready) {
  auto http =
      std::make_unique<Http>(std::move(knowledge), std::move(make_template), std::move(ready));
  FLEXAI_TRY(http->open(options, certificate));
  return std::unique_ptr<Server>(new Server(std::move(http)));
}

}  // namespace flexai::control::webhook
