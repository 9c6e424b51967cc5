//! A Burn module of unknown type: what lets the tower of any crate be a part of a model.
//!
//! Visitors and mappers have methods that are generic over the rank of a parameter, which no trait
//! object can have. So a parameter crosses the border as [`Any`] and is recognised on the other
//! side by its rank and kind.

use super::tower::VisionTower;
use burn::{
    module::{Content, Devices, Flag, Module, ModuleDisplay, ModuleMapper, ModuleVisitor, Param},
    tensor::{Bool, Device, Int, Tensor},
};
use std::any::Any;

/// A tower as a module, without its type.
pub(super) trait AnyTower: VisionTower {
    fn cloned(&self) -> Box<dyn AnyTower>;
    fn visited(&self, visitor: &mut dyn AnyVisitor);
    fn mapped(self: Box<Self>, mapper: &mut dyn AnyMapper) -> Box<dyn AnyTower>;
    fn moved(self: Box<Self>, device: &Device) -> Box<dyn AnyTower>;
    fn forked(self: Box<Self>, device: &Device) -> Box<dyn AnyTower>;
    fn devices_after(&self, devices: Devices) -> Devices;
    fn validating(&self) -> Box<dyn AnyTower>;
    fn training(self: Box<Self>) -> Box<dyn AnyTower>;
    fn materialized(self: Box<Self>) -> Box<dyn AnyTower>;
    fn shown(&self, content: Content) -> Option<Content>;
}

impl<T: VisionTower + Module + ModuleDisplay + 'static> AnyTower for T {
    fn cloned(&self) -> Box<dyn AnyTower> {
        Box::new(self.clone())
    }

    fn visited(&self, visitor: &mut dyn AnyVisitor) {
        self.visit(&mut Visiting(visitor));
    }

    fn mapped(self: Box<Self>, mapper: &mut dyn AnyMapper) -> Box<dyn AnyTower> {
        Box::new(self.map(&mut Mapping(mapper)))
    }

    fn moved(self: Box<Self>, device: &Device) -> Box<dyn AnyTower> {
        Box::new(self.to_device(device))
    }

    fn forked(self: Box<Self>, device: &Device) -> Box<dyn AnyTower> {
        Box::new(self.fork(device))
    }

    fn devices_after(&self, devices: Devices) -> Devices {
        self.collect_devices(devices)
    }

    fn validating(&self) -> Box<dyn AnyTower> {
        Box::new(self.valid())
    }

    fn training(self: Box<Self>) -> Box<dyn AnyTower> {
        Box::new(self.train())
    }

    fn materialized(self: Box<Self>) -> Box<dyn AnyTower> {
        Box::new(self.materialize())
    }

    fn shown(&self, content: Content) -> Option<Content> {
        self.content(content)
    }
}

/// A [`ModuleVisitor`] without generic methods.
pub(super) trait AnyVisitor {
    fn param(&mut self, param: &dyn Any);
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
}

/// A [`ModuleMapper`] without generic methods.
pub(super) trait AnyMapper {
    /// `slot` is an `Option` of a parameter, which is there before and after.
    fn param(&mut self, slot: &mut dyn Any);
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
}

/// On the tower's side: gives parameters away as [`Any`].
struct Visiting<'a>(&'a mut dyn AnyVisitor);

/// On the visitor's side: recognises them.
pub(super) struct Visitor<'a, V>(pub &'a mut V);

struct Mapping<'a>(&'a mut dyn AnyMapper);

pub(super) struct Mapper<'a, M>(pub &'a mut M);

/// Calls `$found!` with the rank of every parameter that a module may have.
macro_rules! each_rank {
    ($found:ident) => {
        $found!(1);
        $found!(2);
        $found!(3);
        $found!(4);
        $found!(5);
        $found!(6);
        $found!(7);
        $found!(8);
    };
}

impl ModuleVisitor for Visiting<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.param(param);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.0.param(param);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.0.param(param);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.0.param(flag);
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}

impl<V: ModuleVisitor> AnyVisitor for Visitor<'_, V> {
    fn param(&mut self, param: &dyn Any) {
        macro_rules! of_rank {
            ($d:literal) => {
                if let Some(param) = param.downcast_ref::<Param<Tensor<$d>>>() {
                    return self.0.visit_float(param);
                }
                if let Some(param) = param.downcast_ref::<Param<Tensor<$d, Int>>>() {
                    return self.0.visit_int(param);
                }
                if let Some(param) = param.downcast_ref::<Param<Tensor<$d, Bool>>>() {
                    return self.0.visit_bool(param);
                }
            };
        }
        each_rank!(of_rank);
        if let Some(flag) = param.downcast_ref::<Param<Flag>>() {
            self.0.visit_flag(flag);
        }
    }

    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }

    fn exit(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }
}

/// Lets a mapper replace a parameter. It is moved, never copied: one that is not loaded yet must
/// not be shared.
fn replaced<P: 'static>(mapper: &mut dyn AnyMapper, param: P) -> P {
    let mut slot = Some(param);
    mapper.param(&mut slot);
    slot.expect("a mapper leaves a parameter where it took one")
}

impl ModuleMapper for Mapping<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        replaced(self.0, param)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        replaced(self.0, param)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        replaced(self.0, param)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        replaced(self.0, flag)
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}

impl<M: ModuleMapper> AnyMapper for Mapper<'_, M> {
    fn param(&mut self, slot: &mut dyn Any) {
        macro_rules! of_rank {
            ($d:literal) => {
                if let Some(slot) = slot.downcast_mut::<Option<Param<Tensor<$d>>>>() {
                    *slot = slot.take().map(|param| self.0.map_float(param));
                    return;
                }
                if let Some(slot) = slot.downcast_mut::<Option<Param<Tensor<$d, Int>>>>() {
                    *slot = slot.take().map(|param| self.0.map_int(param));
                    return;
                }
                if let Some(slot) = slot.downcast_mut::<Option<Param<Tensor<$d, Bool>>>>() {
                    *slot = slot.take().map(|param| self.0.map_bool(param));
                    return;
                }
            };
        }
        each_rank!(of_rank);
        if let Some(slot) = slot.downcast_mut::<Option<Param<Flag>>>() {
            *slot = slot.take().map(|flag| self.0.map_flag(flag));
        }
    }

    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }

    fn exit(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }
}
