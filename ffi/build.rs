//! Build script: finds DPDK by pkg-config, binds what the `dpdk` room uses, and compiles the shim.
//!
//! Environment: what the `pkg-config` crate reads (`PKG_CONFIG_PATH` for a DPDK outside the system's folders) and
//! `LIBCLANG_PATH` for bindgen.

use std::{env, panic::AssertUnwindSafe, path::PathBuf, process::exit};

/// The oldest DPDK whose layouts and functions we rely on.
const DPDK_MIN: &str = "22.11";

/// The libraries the bindings and the shim name. Drivers are loaded from DPDK's plugin folder; linking everything pkg-config
/// lists would only slow down every start. A program that does not call `rte_vhost` is not linked with it.
const LIBRARIES: [&str; 6] = ["rte_eal", "rte_ethdev", "rte_mbuf", "rte_mempool", "rte_ring", "rte_vhost"];

/// Functions of DPDK the `dpdk` room calls, and those of its vhost library that `perf` measures, as bindgen's patterns.
const FUNCTIONS: [&str; 7] = [
    "millrace_.*",
    "rte_(version|strerror|thread_(un)?register|eal_(init|cleanup|get_runtime_dir))",
    "rte_log_cur_msg_loglevel",
    "rte_dev_(event_callback_(un)?register|probe|remove)",
    "rte_mempool_(avail_count|lookup)|rte_pktmbuf_pool_create|rte_malloc_get_socket_stats",
    "rte_vhost_(driver_(callback_register|disable_features|register|start|unregister)|enable_guest_notification\
     |(de|en)queue_burst|get_ifname)",
    "rte_eth_(dev_(callback_(un)?register|close|configure|default_mac_addr_set|get_mtu\
     |get_port_by_name|info_get|is_removed|mac_addr_(add|remove)|set_mtu|socket_id|start|stop)\
     |[rt]x_queue_setup|iterator_(init|next|cleanup)|macaddr_get|allmulticast_enable\
     |promiscuous_(disable|enable)|stats_(get|reset))",
];

fn main() {
    for input in ["build.rs", "src/dpdk.h", "src/plugins.c", "src/shim.c"] {
        println!("cargo::rerun-if-changed={input}");
    }
    let dpdk =
        pkg_config::Config::new().atleast_version(DPDK_MIN).cargo_metadata(false).probe("libdpdk").unwrap_or_else(
            |e| fail(&format!("DPDK {DPDK_MIN} or newer is not installed (Debian: `apt install libdpdk-dev`)\n{e}")),
        );
    println!("cargo::metadata=version={}", dpdk.version);
    bind(&dpdk);
    compile_shim(&dpdk);
    // After the shim, which needs them: a linker that drops unneeded libraries reads from left to right.
    for path in &dpdk.link_paths {
        println!("cargo::rustc-link-search=native={}", path.display());
    }
    for library in LIBRARIES {
        println!("cargo::rustc-link-lib=dylib={library}");
    }
}

/// Compiler flags without which DPDK's headers do not compile as DPDK itself was built. bindgen and the C compiler must
/// agree on them, or the layouts differ.
fn header_flags(dpdk: &pkg_config::Library) -> Vec<String> {
    let mut flags = vec!["-include".to_owned(), "rte_config.h".to_owned()];
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        flags.push("-march=corei7".to_owned());
    }
    for path in &dpdk.include_paths {
        flags.push("-isystem".to_owned());
        flags.push(path.display().to_string());
    }
    flags
}

fn bind(dpdk: &pkg_config::Library) {
    let mut builder = bindgen::Builder::default()
        .header("src/dpdk.h")
        .clang_args(header_flags(dpdk))
        .allowlist_var("MILLRACE_.*|RTE_MAX_ETHPORTS")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_debug(false)
        .derive_default(true)
        .generate_comments(false)
        .layout_tests(true);
    for function in FUNCTIONS {
        builder = builder.allowlist_function(function);
    }
    let bindings = std::panic::catch_unwind(AssertUnwindSafe(|| builder.generate())).unwrap_or_else(|_| {
        fail("bindgen found no usable libclang (Debian: `apt install libclang-dev`; elsewhere set LIBCLANG_PATH)")
    });
    let bindings = bindings.unwrap_or_else(|e| {
        fail(&format!(
            "bindgen could not read DPDK's headers. \"invalid conversion between vector type\" means that libclang and \
             its headers are of different versions: leave one installed, or set LIBCLANG_PATH. No stddef.h: install \
             clang's headers (Debian: `apt install libclang-dev`)\n{e}"
        ))
    });
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_else(|_| fail("OUT_DIR is not set: run this through cargo")));
    bindings
        .write_to_file(out.join("bindings.rs"))
        .unwrap_or_else(|e| fail(&format!("cannot write {}: {e}", out.join("bindings.rs").display())));
}

fn compile_shim(dpdk: &pkg_config::Library) {
    let mut shim = cc::Build::new();
    for flag in header_flags(dpdk) {
        shim.flag(flag);
    }
    // The mempool inlines are the point of the shim: optimise it in every profile.
    shim.files(["src/plugins.c", "src/shim.c"]).opt_level(3).compile("millrace_shim");
}

/// Says why the build cannot go on, and ends it without a backtrace.
fn fail(message: &str) -> ! {
    println!("cargo::error={}", message.replace('\n', "\ncargo::error="));
    exit(1)
}
