// A bounded queue between tasks of several domains. It is a port of queue/main.ml of OCaml's Miou.
//
//     main -- miou::run -- consume t1, on dom0
//                     +-- parallel, on the other domains: produce t0, produce t1, consume t0

#include "miou/miou.hpp"

#include <iostream>
#include <stdexcept>
#include <variant>
#include <vector>

namespace {

template <class T>
class bounded_stream {
public:
    explicit bounded_stream(std::size_t size)
        : buffer_(size) {}

    void put(T data) {
        const std::scoped_lock held{lock_};
        while ((wr_pos_ + 1) % buffer_.size() == rd_pos_)
            non_full_.wait(lock_);
        buffer_[wr_pos_] = std::move(data);
        wr_pos_ = (wr_pos_ + 1) % buffer_.size();
        non_empty_.signal();
    }

    T get() {
        const std::scoped_lock held{lock_};
        while (wr_pos_ == rd_pos_)
            non_empty_.wait(lock_);
        T data = std::move(buffer_[rd_pos_]);
        rd_pos_ = (rd_pos_ + 1) % buffer_.size();
        non_full_.signal();
        return data;
    }

private:
    std::vector<T> buffer_;
    std::size_t rd_pos_ = 0;
    std::size_t wr_pos_ = 0;
    miou::mutex lock_;
    miou::condition non_empty_;
    miou::condition non_full_;
};

void produce(bounded_stream<int>& q, int n, int max) {
    for (; n <= max; ++n)
        q.put(n);
}

void consume(bounded_stream<int>& q, int cur, int max) {
    for (; cur <= max; ++cur)
        if (q.get() != cur)
            throw std::runtime_error{"consume: out of order"};
}

struct producer {
    bounded_stream<int>& q;
    int min, max;
    void operator()() const { produce(q, min, max); }
};
struct consumer {
    bounded_stream<int>& q;
    int cur, max;
    void operator()() const { consume(q, cur, max); }
};

void perform(const std::variant<producer, consumer>& work) {
    std::visit([](const auto& each) { each(); }, work);
}

} // namespace

int main() try {
    miou::run([] {
        bounded_stream<int> t0{20};
        bounded_stream<int> t1{30};
        const auto prm = miou::async([&] { consume(t1, 0, 8000); });
        // `parallel` comes first, as in the original: OCaml evaluates `await prm :: parallel ...`
        // from right to left.
        const auto results = miou::parallel(
            perform, std::vector<std::variant<producer, consumer>>{
                         producer{t0, 0, 10000}, producer{t1, 0, 8000}, consumer{t0, 0, 10000}});
        miou::await_exn(prm);
        for (const auto& result : results)
            result.value();
    });
    std::cout << "10001 and 8001 numbers, in order\n";
} catch (const std::exception& error) {
    std::cerr << "bounded_queue: " << error.what() << '\n';
    return 1;
}
